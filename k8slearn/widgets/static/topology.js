// The topology as a widget: the SVG that Python drew, made pickable. Pointing at a box or moving to it with the keyboard
// asks Python for its tables (trait `focus`), which come back in `detail`. Nothing is computed here.

const node = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};

const MOVES = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

function render({ model, el }) {
  const picture = node("div", { role: "group", "aria-label": "Topology: arrow keys move between boxes" });
  const detail = node("div", { class: "ks-detail" });
  const live = node("div", { class: "ks-live", role: "status", "aria-live": "polite" });
  const twin = node("pre", { tabindex: "0", "aria-label": "The topology in words" });
  const words = node("details", {}, node("summary", {}, "The same in words"), twin);
  const help = node("p", { class: "ks-help" }, "Click a box, or press Tab and then the arrow keys, to see its tables.");
  el.classList.add("ks-root");
  const time = node("input", { type: "range", min: "0", step: "1", "aria-label": "Moment: what was done so far" });
  const when = node("span", { class: "ks-who" });
  const times = node("div", { class: "ks-bar" }, node("span", { class: "ks-who" }, "Time"), time, when);
  el.append(help, times, picture, detail, words, live);

  const clock = () => {
    const moments = model.get("moments");
    const at = model.get("moment");
    times.hidden = moments.length < 2;
    time.max = String(moments.length - 1);
    time.value = String(at);
    when.textContent = `after ${moments[at] ?? ""}${at === moments.length - 1 ? " (now)" : ""}`;
    time.setAttribute("aria-valuetext", when.textContent);
  };
  time.addEventListener("input", () => {
    model.set("moment", Number(time.value));
    model.save_changes();
    clock();
  });

  let current = 0;
  const picks = () => [...picture.querySelectorAll("g[data-pick]")];

  const choose = (at, focus) => {
    const all = picks();
    if (!all.length) return;
    current = Math.max(0, Math.min(all.length - 1, at));
    all.forEach((g, i) => {
      g.setAttribute("tabindex", i === current ? "0" : "-1");
      g.setAttribute("aria-pressed", String(i === current && Boolean(model.get("focus"))));
      g.classList.toggle("ks-picked", i === current && Boolean(model.get("focus")));
    });
    if (focus) all[current].focus();
  };

  const pick = (at) => {
    const chosen = picks()[at];
    if (!chosen) return;
    model.set("focus", chosen.dataset.thing);
    model.save_changes();
    choose(at, true);
  };

  const paint = () => {
    picture.innerHTML = model.get("svg");
    const svg = picture.querySelector("svg");
    if (svg) {
      svg.setAttribute("role", "group");
      svg.style.maxWidth = svg.getAttribute("width") + "px";
    }
    for (const [i, g] of [...picture.querySelectorAll("g[data-scope]")].entries()) {
      g.dataset.pick = String(i);
      g.setAttribute("role", "button");
      const title = g.querySelector("title");
      g.setAttribute("aria-description", title?.textContent ?? "");
      title?.remove();
      g.addEventListener("click", () => pick(i));
    }
    twin.textContent = model.get("text");
    const kept = picks().findIndex((g) => g.dataset.thing === model.get("focus"));
    choose(kept < 0 ? 0 : kept, false);
  };

  const tell = () => {
    const { title = "", tables = [] } = model.get("detail");
    detail.replaceChildren();
    if (!title) {
      detail.append(node("p", { class: "ks-help" }, "No box is chosen yet: its addresses, routes and rules appear here."));
      return;
    }
    detail.append(node("p", { class: "ks-where" }, title));
    tables.forEach((table, i) => {
      const part = node("details", i < 2 ? { open: "" } : {});
      const label = `${table.title}: ${table.command}`;
      part.append(node("summary", {}, `${table.title} `, node("code", {}, table.command)));
      part.append(node("pre", { tabindex: "0", "aria-label": label }, table.text));
      detail.append(part);
    });
    live.textContent = `${title}: ${tables.length} tables`;
  };

  picture.addEventListener("keydown", (event) => {
    const all = picks();
    const step = MOVES[event.key];
    const goal = step ? current + step : { Home: 0, End: all.length - 1, Enter: current, " ": current }[event.key];
    if (goal === undefined) return;
    event.preventDefault();
    if (event.key === "Enter" || event.key === " ") pick(goal);
    else choose(goal, true);
  });
  const keep = (event) => event.stopPropagation();
  el.addEventListener("keydown", keep);

  model.on("change:svg", paint);
  model.on("change:detail", tell);
  model.on("change:moments", clock);
  model.on("change:moment", clock);
  clock();
  paint();
  tell();
  return () => {
    model.off("change:svg", paint);
    model.off("change:detail", tell);
    model.off("change:moments", clock);
    model.off("change:moment", clock);
    el.removeEventListener("keydown", keep);
  };
}

export default { render };
