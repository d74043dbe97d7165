// A story as a widget: the lines that Python drew, one of them chosen (trait `position`), its details beside it.
// Buttons, slider and arrow keys move between the stops; a click chooses any line. Nothing is computed here.

const node = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};

function render({ model, el }) {
  const lines = model.get("lines");
  const stops = model.get("stops");
  const picture = node("div", { class: "ks-canvas", role: "group", "aria-label": `${model.get("title")}: arrow keys move between lines` });
  const card = node("section", { class: "ks-step", "aria-label": "The chosen line" });
  const count = node("span", { class: "ks-count" });
  const slider = node("input", { type: "range", min: "0", max: String(Math.max(0, stops.length - 1)), step: "1", "aria-label": "Step" });
  const live = node("div", { class: "ks-live", role: "status", "aria-live": "polite" });
  const twin = node("pre", { tabindex: "0", "aria-label": "All lines in words" }, model.get("text"));
  const button = (label, does) => {
    const made = node("button", { type: "button" }, label);
    made.addEventListener("click", does);
    return made;
  };
  const at = () => model.get("position");
  const stop = () => stops.reduce((found, line, i) => (line <= at() ? i : found), 0);
  const choose = (line) => {
    if (line < 0 || line >= lines.length || line === at()) return;
    model.set("position", line);
    model.save_changes();
  };
  const go = (to) => choose(stops[Math.max(0, Math.min(stops.length - 1, to))]);
  const first = button("First", () => go(0));
  const back = button("Back", () => go(stops.includes(at()) ? stop() - 1 : stop()));
  const next = button("Next", () => go(stop() + 1));
  const last = button("Last", () => go(stops.length - 1));
  const bar = node("div", { class: "ks-bar" }, first, back, count, next, last, slider);

  el.classList.add("ks-root");
  el.append(node("h3", {}, model.get("title")), bar, card, picture);
  if (model.get("ending")) el.append(node("p", { class: "ks-says" }, model.get("ending")));
  el.append(node("details", {}, node("summary", {}, "The same in words"), twin), live);
  bar.hidden = card.hidden = !lines.length;

  picture.innerHTML = model.get("svg");
  const svg = picture.querySelector("svg");
  if (svg) {
    svg.setAttribute("role", "group");
    svg.style.maxWidth = svg.getAttribute("width") + "px";
  }
  const picks = [...picture.querySelectorAll("g[data-scope]")];
  picks.forEach((g, i) => {
    g.dataset.pick = String(i);
    g.setAttribute("role", "button");
    const title = g.querySelector("title");
    for (const words of g.querySelectorAll("text")) words.after(" "); // or who hears them hears one word
    const shown = [...g.querySelectorAll("text")].map((words) => words.textContent).filter(Boolean).join(" ");
    g.setAttribute("aria-label", shown.includes("…") ? `${shown}. In full: ${title?.textContent}` : shown);
    title?.remove();
    g.addEventListener("click", () => choose(i));
  });

  const show = () => {
    const here = lines[at()];
    if (!here) return;
    picks.forEach((g, i) => {
      g.setAttribute("tabindex", i === at() ? "0" : "-1");
      g.setAttribute("aria-pressed", String(i === at()));
      g.classList.toggle("ks-here", i === at());
    });
    const place = stops.includes(at()) ? `Step ${stop() + 1} of ${stops.length}` : `Line ${at() + 1} of ${lines.length}`;
    count.textContent = place;
    slider.value = String(stop());
    slider.setAttribute("aria-valuetext", `${place}: ${here.says}`);
    for (const b of [first, back]) b.setAttribute("aria-disabled", String(at() <= stops[0]));
    for (const b of [next, last]) b.setAttribute("aria-disabled", String(at() >= stops[stops.length - 1]));
    const head = node("div", {}, node("span", { class: "ks-where" }, here.part), " ");
    if (here.sign) head.append(node("span", { class: "ks-tag" }, here.sign));
    const rows = here.details.map(([name, value]) =>
      node("tr", {}, node("th", { scope: "row" }, name), node("td", { class: "ks-wrap" }, value)));
    card.replaceChildren(head, node("div", { class: "ks-because" }, here.number ? `${here.number}  ${here.says}` : here.says));
    if (rows.length) card.append(node("div", { class: "ks-scroll", tabindex: "0", role: "group", "aria-label": "Details" }, node("table", {}, node("tbody", {}, ...rows))));
    live.textContent = `${place}. ${here.part}: ${here.says}. ${here.sign}`;
  };

  slider.addEventListener("input", () => go(Number(slider.value)));
  picture.addEventListener("keydown", (event) => {
    const goal = { ArrowRight: at() + 1, ArrowDown: at() + 1, ArrowLeft: at() - 1, ArrowUp: at() - 1, Home: 0, End: lines.length - 1 }[event.key];
    if (goal === undefined) return;
    event.preventDefault();
    choose(goal);
    picks[at()]?.focus();
  });
  const keep = (event) => event.stopPropagation();
  el.addEventListener("keydown", keep);
  model.on("change:position", show);
  show();
  return () => {
    model.off("change:position", show);
    el.removeEventListener("keydown", keep);
  };
}

export default { render };
