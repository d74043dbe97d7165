// A card with questions: the task, what is asked, and how it stands. Python checks, hints and records; this shows it.

const node = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};

let views = 0;

function render({ model, el }) {
  const name = `ks-exercise-${++views}`;
  const state = node("p", { class: "ks-status", role: "status" });
  const task = node("div", { class: "ks-prose" });
  const questions = node("div");
  const bar = node("div", { class: "ks-bar" });
  const said = node("div", { class: "ks-message ks-prose", role: "status", "aria-live": "polite" });
  const help = node("p", { class: "ks-help" }, model.get("help"));
  el.classList.add("ks-root");
  el.append(node("h3", {}, model.get("title")), state, task, questions, bar, said, help);

  const ask = (wish) => {
    model.set("wish", { ...wish, number: (model.get("wish").number ?? 0) + 1 });
    model.save_changes();
  };
  for (const [does, words] of model.get("buttons")) {
    const button = node("button", { type: "button", ...(bar.childElementCount ? {} : { class: "ks-main" }) }, words);
    button.addEventListener("click", () => ask({ does }));
    bar.append(button);
  }

  const one = (question, number) => {
    const fields = question.choices.length
      ? question.choices.map((choice, i) => node("label", { class: "ks-choice" },
        node("input", { type: "radio", name: `${name}-${number}`, value: String(i), ...(choice === question.given ? { checked: "" } : {}) }),
        String(choice)))
      : [node("label", { class: "ks-field" }, "Your answer", node("input", { type: "text", value: question.given ?? "" }))];
    const give = node("button", { type: "submit" }, "Answer");
    const form = node("form", {}, node("fieldset", {}, node("legend", {}, question.asks),
      node("div", { class: "ks-row", style: "align-items:center" }, ...fields, give),
      node("p", { class: "ks-help" }, question.given === null ? "Not answered yet." : `Your answer: ${question.given}`)));
    if (question.explains) form.firstChild.append(node("p", { class: "ks-because" }, question.explains));
    if (question.others?.length) {
      const told = question.others.flatMap(([value, why]) => [node("dt", {}, String(value)), node("dd", {}, why)]);
      form.firstChild.append(node("details", {}, node("summary", {}, "Why not the others?"), node("dl", {}, ...told)));
    }
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const radio = form.querySelector("input[type=radio]:checked");
      const text = form.querySelector("input[type=text]")?.value;
      const value = radio ? question.choices[Number(radio.value)] : text;
      if (value !== undefined && value !== "") ask({ does: "answer", question: question.id, value });
    });
    return form;
  };

  const show = () => {
    state.textContent = model.get("state");
    task.textContent = model.get("task");
  };
  const list = () => {
    const focused = [...questions.children].findIndex((form) => form.contains(document.activeElement));
    questions.replaceChildren(...model.get("questions").filter((q) => q.kind !== "evidence").map(one));
    questions.children[focused]?.querySelector("button").focus({ preventScroll: true });
  };
  const tell = () => (said.textContent = model.get("said"));
  const keep = (event) => event.stopPropagation();
  el.addEventListener("keydown", keep);

  const heard = { "change:state": show, "change:task": show, "change:questions": list, "change:said": tell };
  for (const [event, hear] of Object.entries(heard)) model.on(event, hear);
  show();
  list();
  tell();
  return () => {
    for (const [event, hear] of Object.entries(heard)) model.off(event, hear);
    el.removeEventListener("keydown", keep);
  };
}

export default { render };
