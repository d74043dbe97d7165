// Progress: how every exercise stands, one link that downloads all saved work, one field that reads such a file in.

const node = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};

function render({ model, el }) {
  const summary = node("p", { class: "ks-status", role: "status" });
  const download = node("a", { class: "ks-download", download: "k8slearn-progress.zip" }, "Download your progress");
  const file = node("input", { type: "file", accept: ".zip,application/zip" });
  const said = node("div", { class: "ks-message ks-prose", role: "status", "aria-live": "polite" });
  const table = node("div", { class: "ks-scroll", tabindex: "0", role: "group", "aria-label": "Every exercise" });
  const help = node("p", { class: "ks-help" }, "The file holds what you did in every exercise. It goes nowhere but where you carry it. Work that is here already and differs is kept beside it.");
  el.classList.add("ks-root");
  el.append(node("h3", {}, "Your progress"), summary,
    node("div", { class: "ks-row" }, download, node("label", { class: "ks-field" }, "Read in progress from another machine", file)), said, help, table);

  file.addEventListener("change", () => {
    const [chosen] = file.files;
    if (!chosen) return;
    const reader = new FileReader();
    reader.addEventListener("load", () => {
      model.set("file", { name: chosen.name, data: String(reader.result).split(",")[1] ?? "" });
      model.save_changes();
    });
    reader.readAsDataURL(chosen);
  });

  const show = () => {
    summary.textContent = model.get("summary");
    download.setAttribute("href", model.get("link"));
    table.innerHTML = model.get("table"); // Python's own, escaped there
  };
  const tell = () => (said.textContent = model.get("said"));
  const keep = (event) => event.stopPropagation();
  el.addEventListener("keydown", keep);
  const heard = { "change:summary": show, "change:table": show, "change:link": show, "change:said": tell };
  for (const [event, hear] of Object.entries(heard)) model.on(event, hear);
  show();
  tell();
  return () => {
    for (const [event, hear] of Object.entries(heard)) model.off(event, hear);
    el.removeEventListener("keydown", keep);
  };
}

export default { render };
