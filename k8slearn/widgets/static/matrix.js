// A matrix whose cells open: filters above, the grid, why beside it, and the policies' lines. Python finds all of it
// out (traits `rows`, `result`); here somebody moves over the grid with arrow keys and chooses with Enter or a click.

const node = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};

let made = 0;

function render({ model, el }) {
  const id = `ks-matrix-${(made += 1)}`;
  const set = (name, value) => { model.set(name, value); model.save_changes(); };
  const field = (label, control) => node("label", { class: "ks-field" }, label, control);
  const pattern = node("input", { type: "text", placeholder: "default/*" });
  const outcome = node("select", {}, node("option", { value: "" }, "any"),
    ...model.get("outcomes").map((word) => node("option", { value: word }, word)));
  const changed = node("input", { type: "checkbox" });
  const filters = node("fieldset", {}, node("legend", {}, "Show"),
    node("div", { class: "ks-row" }, field("Pods (namespace/name, several with spaces)", pattern), field("With a cell that says", outcome)));
  if (model.get("compares")) filters.append(node("label", {}, changed, " only pods of which a pair has changed"));
  const grid = node("table", { role: "grid", class: "ks-grid", "aria-labelledby": `${id}-title`, "aria-describedby": `${id}-how` });
  const says = node("p", { class: "ks-says" });
  const legend = Object.entries(model.get("words")).map(([letter, word]) => `${letter} ${word}`).join(", ");
  const signs = model.get("compares") ? "; + opened since, - closed since, ≠ otherwise since" : "";
  const how = node("p", { class: "ks-hint", id: `${id}-how` }, `Rows send, columns are sent to. Letters: ${legend}${signs}. Arrow keys move, Enter opens a cell.`);
  const why = node("section", { class: "ks-step", "aria-label": "The chosen cell" });
  const policies = node("section", { class: "ks-policies", "aria-label": "The policies" });
  const twin = node("pre", { tabindex: "0", "aria-label": "The table in words" });
  const live = node("div", { class: "ks-live", role: "status", "aria-live": "polite" });
  el.classList.add("ks-root");
  el.append(node("h3", { id: `${id}-title` }, model.get("title")), filters, says, how,
    node("div", { class: "ks-beside" }, node("div", {}, node("div", { class: "ks-scroll" }, grid), why), policies),
    node("details", {}, node("summary", {}, "The same in words"), twin), live);

  let here = [0, 0];
  const cell = (row, column) => grid.querySelector(`td[data-at="${row} ${column}"]`);
  const move = (row, column, focus = true) => {
    const most = model.get("table").pods.length - 1;
    cell(...here)?.setAttribute("tabindex", "-1");
    here = [Math.max(0, Math.min(most, row)), Math.max(0, Math.min(most, column))];
    cell(...here)?.setAttribute("tabindex", "0");
    if (focus) cell(...here)?.focus();
  };
  const open = ([row, column]) => {
    const pods = model.get("table").pods;
    if (pods[row] === undefined) return;
    live.textContent = `Asking for ${pods[row]} to ${pods[column]}`;
    set("chosen", [pods[row], pods[column]]);
  };
  const mark = () => {
    const [from, to] = model.get("chosen"), pods = model.get("table").pods;
    for (const td of grid.querySelectorAll("td")) {
      const [row, column] = td.dataset.at.split(" ").map(Number);
      td.setAttribute("aria-selected", String(pods[row] === from && pods[column] === to));
    }
  };
  const draw = () => {
    const pods = model.get("table").pods, rows = model.get("table").rows;
    const head = node("tr", { role: "row" }, node("th", { role: "columnheader", scope: "col" }, "from \\ to"),
      ...pods.map((pod, i) => node("th", { role: "columnheader", scope: "col", title: pod, "aria-label": `${i + 1} ${pod}` }, String(i + 1))));
    const body = rows.map((row, r) => node("tr", { role: "row" },
      node("th", { role: "rowheader", scope: "row" }, `${r + 1}  ${pods[r]}`),
      ...row.map(([letter, words], c) => node("td", {
        role: "gridcell", tabindex: "-1", "data-at": `${r} ${c}`, title: words, "aria-label": `${letter} ${words}`,
        class: letter.startsWith(".") ? "ks-yes" : "ks-no" }, letter))));
    grid.replaceChildren(node("thead", {}, head), node("tbody", {}, ...body));
    grid.hidden = !pods.length;
    says.textContent = model.get("table").says;
    twin.textContent = model.get("table").text;
    move(0, 0, false);
    mark();
  };
  const told = () => {
    const { error, explains, steps, policies: texts } = model.get("result");
    why.hidden = !error && !explains;
    why.replaceChildren(...[error, ...(explains ?? [])].filter(Boolean).map((line) => node("p", {}, line)));
    if (steps) {
      const every = node("div", { class: "ks-scroll", tabindex: "0", role: "group", "aria-label": "Every step" });
      every.innerHTML = steps; // Python's own, escaped there
      why.append(node("details", {}, node("summary", {}, "Every step of this trace"), every));
    }
    policies.replaceChildren(...(texts ?? []).map(([title, lines]) => node("details", lines.some(([, sign]) => sign) || texts.length < 4 ? { open: "" } : {},
      node("summary", {}, title),
      node("pre", { tabindex: "0", "aria-label": title }, ...lines.map(([line, sign]) =>
        node("span", { class: sign ? "ks-line ks-told" : "ks-line" }, line, ...(sign ? [node("span", { class: "ks-sign" }, `  ◀ ${sign}`)] : []), "\n"))))));
    policies.hidden = !texts;
    if (texts && !texts.length) policies.append(node("p", {}, "There is no policy in this cluster."));
    if (explains) live.textContent = explains[0];
    if (error) live.textContent = error;
    mark();
  };
  pattern.addEventListener("change", () => set("pattern", pattern.value));
  outcome.addEventListener("change", () => set("outcome", outcome.value));
  changed.addEventListener("change", () => set("changed", changed.checked));
  grid.addEventListener("click", (event) => {
    const td = event.target.closest("td");
    if (!td) return;
    move(...td.dataset.at.split(" ").map(Number));
    open(here);
  });
  grid.addEventListener("keydown", (event) => {
    const [row, column] = here, most = model.get("table").pods.length - 1;
    const goal = { ArrowRight: [row, column + 1], ArrowLeft: [row, column - 1], ArrowDown: [row + 1, column], ArrowUp: [row - 1, column],
      Home: event.ctrlKey ? [0, 0] : [row, 0], End: event.ctrlKey ? [most, most] : [row, most] }[event.key];
    if (goal) move(...goal);
    else if (event.key === "Enter" || event.key === " ") open(here);
    else return;
    event.preventDefault();
  });
  const keep = (event) => event.stopPropagation();
  el.addEventListener("keydown", keep);
  model.on("change:table", draw);
  model.on("change:result", told);
  draw();
  told();
  return () => {
    model.off("change:table", draw);
    model.off("change:result", told);
    el.removeEventListener("keydown", keep);
  };
}

export default { render };
