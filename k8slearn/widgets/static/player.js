// The trace player: ask, predict, send, then walk through what happened. Python traces and lays out (traits `places`,
// `svg`, `result`); here a request is put together, and the steps that came back are shown one by one.

const SVG = "http://www.w3.org/2000/svg";
const OUTCOMES = {
  connected: "connected: the answer comes back",
  refused: "refused: something answers that nothing listens there",
  unreachable: "unreachable: the network says that there is no way",
  timeout: "timeout: nobody says anything",
  unresolved: "unresolved: no such name",
};
const SIGNS = { connected: "✓", refused: "✕", unreachable: "✕", timeout: "…", unresolved: "?" };
const OTHER = "…";

const node = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};
const shape = (tag, attributes = {}, ...children) => {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};
const field = (label, ...inputs) => node("label", { class: "ks-field" }, label, ...inputs);
const still = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

let views = 0;

function render({ model, el }) {
  const name = `ks-player-${++views}`;
  el.classList.add("ks-root");

  // --- the question -------------------------------------------------------------------------------------------------
  const source = node("select", { name: "source" });
  const destination = node("select", { name: "destination" });
  const other = node("input", { type: "text", name: "other", placeholder: "10.96.0.10 or a name", size: "18" });
  const otherField = field("Address or name", other);
  const port = node("input", { type: "number", name: "port", min: "1", max: "65535", required: "" });
  const protocol = node("select", { name: "protocol" }, node("option", {}, "TCP"), node("option", {}, "UDP"));
  const send = node("button", { type: "submit", class: "ks-main" }, "Send");
  const question = node(
    "fieldset", {}, node("legend", {}, "1. Who sends to whom?"),
    node("div", { class: "ks-row" }, field("From", source), field("To", destination), otherField, field("Port", port),
      field("Protocol", protocol)),
  );
  const choices = Object.entries(OUTCOMES).map(([outcome, words]) =>
    node("label", { class: "ks-choice", title: words },
      node("input", { type: "radio", name: `${name}-prediction`, value: outcome }), outcome));
  const prediction = node(
    "fieldset", {}, node("legend", {}, "2. What will the client see? Predict before you look."),
    node("div", { class: "ks-row", style: "align-items:center" }, ...choices, send),
  );
  const message = node("div", { class: "ks-message", role: "status", "aria-live": "polite" });
  const form = node("form", { "aria-label": "Send a packet", novalidate: "" }, question, prediction);

  // --- the steps ----------------------------------------------------------------------------------------------------
  const picture = node("div", { class: "ks-canvas" });
  const legs = node("div", { class: "ks-bar", role: "group", "aria-label": "Packets of the conversation" });
  const button = (sign, label, words, go, after = "") => {
    const signs = [sign, after].map((s) => node("span", { "aria-hidden": "true" }, s));
    const made = node("button", { type: "button", title: words }, signs[0], label, signs[1]);
    made.addEventListener("click", go);
    return made;
  };
  const first = button("", "First", "First step (Home)", () => move(0));
  const hopBack = button("◀◀ ", "Hop back", "To the place before (up arrow)", () => move(hop(-1)));
  const back = button("◀ ", "Back", "One step back (left arrow)", () => move(at() - 1));
  const next = button("", "Next", "One step on (right arrow)", () => move(at() + 1), " ▶");
  const hopOn = button("", "Hop on", "To the next place (down arrow)", () => move(hop(1)), " ▶▶");
  const last = button("", "Last", "Last step (End)", () => move(Infinity));
  const play = button("", "Play", "Play the steps", () => playing(!timer));
  const count = node("span", { class: "ks-count" });
  const evidence = button("", "Hand in this step", "Answer the question with this step as evidence", () => {
    model.set("handed_in", { number: (model.get("handed_in").number ?? 0) + 1, step: at() + 1 });
    model.save_changes();
  });
  evidence.hidden = !model.get("takes_evidence");
  const time = node("input", { type: "range", min: "0", step: "1", "aria-label": "Step" });
  const bar = node("div", { class: "ks-bar" }, first, hopBack, back, count, next, hopOn, last, play, evidence, time);
  const card = node("div", { class: "ks-step" });
  const live = node("div", { class: "ks-live", role: "status", "aria-live": "polite" });
  const twin = node("pre", { tabindex: "0", "aria-label": "The trace in words" });
  const words = node("details", {}, node("summary", {}, "The same in words"), twin);
  const help = node("p", { class: "ks-help" },
    "Left and right arrows step; up and down go from place to place; Page Up and Page Down change the packet.");
  const side = node("div", { class: "ks-side" }, card, help);
  const stage = node("div", { class: "ks-stage" }, side, picture);
  const stepper = node("section", { "aria-label": "Step through the trace" }, legs, bar);
  const theatre = node("div", {}, stepper, stage, words);
  el.append(node("h3", {}, model.get("title")), form, message, theatre, live);

  const layer = shape("g", { "pointer-events": "none" });
  const trail = shape("polyline", { class: "ks-trail", points: "" });
  const label = shape("text", { y: "-12", "text-anchor": "middle" });
  const packet = shape("g", { class: "ks-packet" },
    shape("rect", { x: "-12", y: "-8", width: "24", height: "16", rx: "3" }), shape("path", { d: "M-11,-7 L0,1 L11,-7" }), label);
  layer.append(trail, packet);

  let waiting = false;
  let patience = 0;
  let moving = 0;
  let timer = 0;
  const steps = () => model.get("result").steps ?? [];
  const at = () => model.get("position");

  const fill = (select, groups, chosen) => {
    select.replaceChildren(...groups.map((group) =>
      node("optgroup", { label: group.label }, ...group.values.map((value) => node("option", { value }, value)))));
    if ([...select.options].some((option) => option.value === chosen)) select.value = chosen;
  };

  const places = () => {
    const { sources = [], destinations = [] } = model.get("places");
    fill(source, sources, source.value || model.get("source"));
    fill(destination, [...destinations, { label: "Another", values: [OTHER] }], destination.value || model.get("destination"));
    otherField.hidden = destination.value !== OTHER;
  };

  const paint = () => {
    picture.innerHTML = model.get("svg");
    const svg = picture.querySelector("svg");
    if (svg) {
      svg.style.maxWidth = svg.getAttribute("width") + "px";
      svg.append(layer);
    }
    show(false);
  };

  // --- one step -----------------------------------------------------------------------------------------------------
  const show = (animate = true) => {
    const all = steps();
    const result = model.get("result");
    const here = all[at()];
    stepper.hidden = side.hidden = words.hidden = !here;
    layer.style.display = here ? "" : "none";
    picture.querySelectorAll(".ks-here").forEach((g) => g.classList.remove("ks-here"));
    if (!here) return;
    for (const g of picture.querySelectorAll("g[data-thing]"))
      if (g.dataset.thing === here.seat) g.classList.add("ks-here");
    const text = `${at() + 1} of ${all.length}`;
    count.textContent = `Step ${text}`;
    time.max = String(all.length - 1);
    time.value = String(at());
    time.setAttribute("aria-valuetext", `Step ${text}: ${here.says}`);
    for (const b of [first, hopBack, back]) b.setAttribute("aria-disabled", String(at() === 0));
    for (const b of [next, hopOn, last]) b.setAttribute("aria-disabled", String(at() === all.length - 1));
    [...legs.children].forEach((b, i) => b.setAttribute("aria-pressed", String(i === here.leg_number)));
    tell(here, result.legs[here.leg_number]);
    live.textContent = `Step ${text}. ${here.place}: ${here.says}${here.because ? ". Because: " + here.because : ""}`;
    draw(here, all, animate);
  };

  const tell = (here, leg) => {
    const head = node("div", {}, node("span", { class: "ks-tag" }, `${leg.name} · ${leg.time} s`), node("span", { class: "ks-where" }, here.place));
    if (here.at) head.append(" ", node("span", { class: "ks-tag" }, here.at));
    const says = node("p", { class: "ks-says" }, node("strong", {}, here.what), `  ${here.says}`, node("br"),
      node("span", { class: "ks-who" }, here.meaning));
    card.replaceChildren(head, says);
    if (here.because)
      card.append(node("div", { class: "ks-because" }, `▸ ${here.because}`), node("div", { class: "ks-who" }, here.who));
    const row = (f) => node("tr", f.changed ? { class: "ks-changed" } : {}, node("th", { scope: "row" }, f.name),
      node("td", {}, f.before), node("td", {}, f.changed ? "→ " + f.after : "same"));
    const columns = ["header", "before", "after"].map((title) => node("th", { scope: "col" }, title));
    card.append(node("div", { class: "ks-scroll" }, node("table", {}, node("thead", {}, node("tr", {}, ...columns)),
      node("tbody", {}, ...here.fields.map(row)))));
  };

  const draw = (here, all, animate) => {
    cancelAnimationFrame(moving);
    const way = here.way.length ? here.way : [[here.x, here.y]];
    const walked = all.slice(0, at() + 1).filter((s) => s.leg_number === here.leg_number && s.errand === here.errand);
    trail.setAttribute("points", walked.flatMap((s, i) => (i ? s.way : s.way.slice(-1))).map((p) => p.join(",")).join(" "));
    trail.dataset.direction = packet.dataset.direction = here.direction;
    packet.dataset.lost = String(here.what === "drop");
    label.textContent = here.what === "drop" ? "✕ " + here.label : here.label;
    const put = ([x, y]) => packet.setAttribute("transform", `translate(${x},${y})`);
    const goal = way[way.length - 1];
    if (!animate || still() || way.length < 2) return put(goal);
    const lengths = way.slice(1).map(([x, y], i) => Math.hypot(x - way[i][0], y - way[i][1]));
    const whole = lengths.reduce((a, b) => a + b, 0);
    const lasts = Math.min(900, 150 + whole * 1.6);
    const begun = performance.now();
    const frame = (now) => {
      let left = whole * Math.min(1, (now - begun) / lasts);
      let i = 0;
      while (i < lengths.length - 1 && left > lengths[i]) left -= lengths[i++];
      const part = lengths[i] ? Math.min(1, left / lengths[i]) : 1;
      put([way[i][0] + (way[i + 1][0] - way[i][0]) * part, way[i][1] + (way[i + 1][1] - way[i][1]) * part]);
      if (now - begun < lasts) moving = requestAnimationFrame(frame);
    };
    moving = requestAnimationFrame(frame);
  };

  const move = (to) => {
    const goal = Math.max(0, Math.min(steps().length - 1, to));
    if (goal === at() || !steps().length) return;
    model.set("position", goal);
    model.save_changes();
  };

  const hop = (by) => {
    const all = steps();
    const same = (a, b) => all[a]?.place === all[b]?.place && all[a]?.leg_number === all[b]?.leg_number;
    let goal = at() + by;
    while (goal > 0 && goal < all.length - 1 && same(goal, at())) goal += by;
    while (by < 0 && goal > 0 && same(goal, goal - 1)) goal -= 1;
    return goal;
  };

  const playing = (on) => {
    clearInterval(timer);
    if (on && at() === steps().length - 1) move(0);
    timer = on ? setInterval(() => (at() < steps().length - 1 ? move(at() + 1) : playing(false)), 1200) : 0;
    play.textContent = on ? "Pause" : "Play";
  };

  // --- what came back -----------------------------------------------------------------------------------------------
  const reveal = () => {
    const result = model.get("result");
    playing(false);
    clearTimeout(patience);
    send.removeAttribute("aria-disabled");
    message.replaceChildren();
    message.dataset.tone = "";
    if (result.error) {
      message.dataset.tone = "bad";
      message.append(node("p", {}, `✕ ${result.error}`));
    } else if (result.outcome) {
      message.dataset.tone = result.outcome === "connected" ? "good" : "bad";
      message.append(node("p", {}, node("strong", {}, `${SIGNS[result.outcome]} ${result.headline}`)));
      if (result.prediction) {
        const right = result.prediction === result.outcome;
        message.append(node("p", {}, right ? `✓ As you predicted: ${result.prediction}.`
          : `You predicted ${result.prediction}; it was ${result.outcome}. Step through it to see where it turned.`));
      }
      if (result.explain)
        message.append(node("details", {}, node("summary", {}, "Explain it"), node("div", { class: "ks-prose" }, result.explain)));
    }
    legs.replaceChildren(...(result.legs ?? []).map((leg) =>
      button(leg.direction === "request" ? "→ " : "← ", leg.name, `${leg.name} at ${leg.time} s, ${leg.count} steps`, () => move(leg.first))));
    twin.textContent = result.text ?? "";
    show(false);
    if (waiting && result.steps?.length) next.focus({ preventScroll: true });
    waiting = false;
  };

  const unanswered = () => {
    waiting = false;
    send.removeAttribute("aria-disabled");
    message.dataset.tone = "bad";
    message.replaceChildren(node("p", {}, "The kernel has not answered yet. It may be busy; if it was restarted, run the cells above and then this one again."));
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const predicted = form.querySelector("input[type=radio]:checked")?.value ?? "";
    if (waiting) return;
    const to = destination.value === OTHER ? other.value.trim() : destination.value;
    const lacks = !to ? "Write the address or name that the packet goes to." : model.get("must_predict") && !predicted
      ? "Predict first: choose what the client will see, then press Send." : "";
    if (lacks) {
      message.dataset.tone = "bad";
      message.replaceChildren(node("p", {}, lacks));
      (to ? choices[0].querySelector("input") : other).focus();
      return;
    }
    waiting = true;
    patience = setTimeout(unanswered, 5000);
    send.setAttribute("aria-disabled", "true");
    const number = (model.get("request").number ?? 0) + 1;
    model.set("request", { number, source: source.value, destination: to, port: Number(port.value),
      protocol: protocol.value, prediction: predicted });
    model.save_changes();
  });
  destination.addEventListener("change", () => (otherField.hidden = destination.value !== OTHER));

  time.addEventListener("input", () => move(Number(time.value)));
  theatre.addEventListener("keydown", (event) => {
    if (event.target === time || event.target.closest("pre, summary")) return;
    const here = steps()[at()];
    const leg = (by) => model.get("result").legs[Math.max(0, Math.min(model.get("result").legs.length - 1, here.leg_number + by))].first;
    const goals = { ArrowRight: () => at() + 1, ArrowLeft: () => at() - 1, ArrowDown: () => hop(1),
      ArrowUp: () => hop(-1), Home: () => 0, End: () => Infinity,
      PageDown: () => leg(1), PageUp: () => leg(-1) };
    if (!here || !(event.key in goals)) return;
    event.preventDefault();
    move(goals[event.key]());
  });
  const keep = (event) => event.stopPropagation();
  el.addEventListener("keydown", keep);

  port.value = String(model.get("port"));
  protocol.value = model.get("protocol");
  const stepped = () => show(true);
  const told = () => message.append(node("p", {}, model.get("said")));
  model.on("change:said", told);
  model.on("change:svg", paint);
  model.on("change:places", places);
  model.on("change:result", reveal);
  model.on("change:position", stepped);
  places();
  reveal();
  paint();
  return () => {
    playing(false);
    clearTimeout(patience);
    cancelAnimationFrame(moving);
    model.off("change:said", told);
    model.off("change:svg", paint);
    model.off("change:places", places);
    model.off("change:result", reveal);
    model.off("change:position", stepped);
    el.removeEventListener("keydown", keep);
  };
}

export default { render };
