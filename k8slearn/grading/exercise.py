"""What a learner holds: an exercise, its cluster, their answers, feedback now and the record that is graded later.

::

    exercise = open_exercise("05-service-dnat", learner="alice")
    exercise.cluster.kubectl("get pods")
    exercise.answer("outcome", "timeout")
    exercise.check()

Feedback is not a second opinion: `check` makes the record and judges it as the grader will, in a fresh engine.

Left out: several learners in one exercise.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from k8slearn import __version__
from k8slearn.cluster import Cluster
from k8slearn.errors import Refused
from k8slearn.grading.card import card_html, card_text
from k8slearn.grading.checks import MOST_FACTS, Answer, Failed, Hint
from k8slearn.grading.definition import Definition, Question, load
from k8slearn.grading.feedback import STATES, Feedback, Said
from k8slearn.grading.inert import as_filename
from k8slearn.grading.judge import judge, work_of
from k8slearn.grading.record import Record, canonical, read_record
from k8slearn.grading.saved import followed
from k8slearn.grading.start import answers_in, done_in, start, work_in
from k8slearn.grading.token import accepted
from k8slearn.grading.variant import Variant, fill, learner_name


def open_exercise(
    id: str, learner: str | None = None, autosave: str | Path | bool | None = None, token: str = ""
) -> Exercise:
    """Open an exercise at its start, or where the learner left it if it was saved.

    `learner` is the name that the grade is for (default: ``K8SLEARN_LEARNER``, else "learner"): it decides the variant.
    `autosave` is a folder in which every entry is kept at once; True is ``.k8slearn`` here; None asks the environment
    (``K8SLEARN_AUTOSAVE``, which the lab sets). `token` is what `k8slearn release` wrote for this learner.
    Raises `Refused` if there is no such exercise.
    """
    name = learner_name(learner if learner is not None else os.environ.get("K8SLEARN_LEARNER", "learner"))
    return Exercise(load(id), name, saving_folder(autosave), accepted(token, id, name))


def saving_folder(autosave: str | Path | bool | None) -> Path | None:
    """Where every entry is kept at once; None: nowhere."""
    wish = os.environ.get("K8SLEARN_AUTOSAVE", "") if autosave is None else autosave
    if wish in (False, "", "0"):
        return None
    return Path(".k8slearn") if wish in (True, "1") else Path(str(wish))


class Exercise:
    """An exercise that a learner has open. `cluster` is theirs: everything done to it is recorded."""

    def __init__(self, definition: Definition, learner: str, folder: Path | None = None, token: str = "") -> None:
        self._definition = definition
        self.id = definition.id
        self.title = definition.title
        self.learner = learner
        self._token = token
        self.variant: Variant = definition.variant(learner, token)
        self.cluster: Cluster = start(definition, self.variant)
        self._hints_given = 0
        self._file = folder / f"{self.id}-{as_filename(learner)}.jsonl" if folder is not None else None
        if self._file is not None:
            self.cluster = followed(self.cluster, self._file)

    @property
    def task(self) -> str:
        """What is asked, as Markdown, with this learner's names and addresses."""
        return str(fill(self._definition.task, self.variant))

    @property
    def questions(self) -> tuple[Question, ...]:
        """What can be answered, with this learner's names and addresses."""
        return tuple(self._definition.question(q.id, self.variant) for q in self._definition.questions)

    @property
    def answers(self) -> dict[str, Answer]:
        """The answers given so far."""
        return answers_in(done_in(self.cluster))

    @property
    def done(self) -> bool:
        """Whether every check holds now."""
        return judge(self._definition, self._record(), self.learner, self._token).done

    @property
    def state(self) -> str:
        """``done`` or ``not done``."""
        return STATES[self.done]

    def answer(self, question: str, value: Any) -> Said:
        """Answer a question (again, if you like: the last answer counts); raises `Refused` if it cannot be one."""
        asked = self._definition.question(question, self.variant)
        self.cluster.engine.do("answer", {"question": asked.id, "value": _accepted(asked, value)})
        return Said(f"{asked.id}: answered")

    def check(self) -> Feedback:
        """Feedback now, by the grader's own rules. In a notebook the output carries the record that is handed in."""
        record = self._record()
        judgement = judge(self._definition, record, self.learner, self._token)
        feedback = Feedback(self.title, judgement, record.to_dict())
        feedback.show()
        return feedback

    def require(self, check: str) -> Said:
        """Raise `Failed` unless this check holds now: one check as one test cell of another grader's."""
        found = {v.check: v for v in judge(self._definition, self._record(), self.learner, self._token).verdicts}
        if check not in found:
            raise Refused(f"exercise {self.id} has no check {str(check)[:64]!r}; its checks are: {', '.join(found)}")
        if not found[check].holds:
            raise Failed(found[check].says, found[check].hint)
        return Said(f"{found[check].asks} It holds.")

    def hint(self) -> Said:
        """The next hint, from gentle to plain. Asking costs nothing."""
        written, looks = self._definition.hints, self._definition.looks
        hints: tuple[str | Hint, ...] = (*written[:1], *looks, *written[1:])
        if not hints:
            return Said("There are no hints for this exercise; exercise.check() says what does not hold yet.")
        number = min(self._hints_given, len(hints) - 1)
        self._hints_given += 1
        return Said(f"Hint {number + 1} of {len(hints)}: {self._told(hints[number])}")

    def _told(self, hint: str | Hint) -> str:
        """A hint's sentence; one that looks sees the cluster as it is now."""
        if isinstance(hint, str):
            return str(fill(hint, self.variant))
        try:
            return hint.tells(work_of(self._definition, self.variant, self.cluster))
        except (Failed, Refused) as told:
            return str(told)

    def reset(self) -> None:
        """Begin again: `exercise.cluster` is a new cluster at the start. What was saved is kept as ``NAME~``."""
        left = self.cluster
        self.cluster = start(self._definition, self.variant)
        if self._file is not None:
            left.save(self._file.with_name(self._file.name + "~"), follow=True)
            self.cluster = followed(self.cluster, self._file, resume=False)

    def record(self) -> dict[str, Any]:
        """The record that is graded, JSON-ready: the same bytes for the same work."""
        return self._record().to_dict()

    def _record(self) -> Record:
        """The record as the grader will read it: through JSON, under its limits."""
        inputs = done_in(self.cluster)
        made = Record(
            __version__, self.id, self.learner, self.variant, work_in(inputs), tuple(answers_in(inputs).values())
        )
        return read_record(made.to_dict())

    def __repr__(self) -> str:
        return card_text(self)

    def _repr_html_(self) -> str:
        return card_html(self)


def _accepted(question: Question, value: Any) -> Any:
    """The value as JSON, if it can be an answer to this question."""
    try:
        text = canonical(value)
    except (TypeError, ValueError):
        raise Refused(f"an answer is text, a number, true or false, or a dict of these; not {value!r:.60}") from None
    if len(text) > MOST_ANSWER:
        raise Refused(f"this answer has {len(text)} characters; at most {MOST_ANSWER} are read")
    wrong = _KINDS[question.kind](question, value)
    if wrong:
        raise Refused(f"the question {question.id!r} {wrong}")
    return value


MOST_ANSWER = 20_000
_EVIDENCE = (
    ({"source", "destination", "revision"}, {"source", "destination", "port", "protocol", "revision", "step"}),
    ({"source", "url", "revision"}, {"source", "url", "revision", "step"}),
)
"""What evidence must have and what it may: a step of a trace, or of a request's own connection."""
_EVIDENCE_SAYS = "a dict of source, destination, port, protocol, revision and step (or of source, url, revision, step)"


def _no_choice(question: Question, value: Any) -> str:
    allowed = [choice.value for choice in question.choices]
    fits = any(type(value) is type(a) and value == a for a in allowed)
    return "" if fits else f"takes one of: {', '.join(map(repr, allowed))}"


def _no_number(question: Question, value: Any) -> str:
    return "" if isinstance(value, int | float) and not isinstance(value, bool) else "takes a number"


def _no_text(question: Question, value: Any) -> str:
    return "" if isinstance(value, str) else "takes text"


def _no_evidence(question: Question, value: Any) -> str:
    fits = isinstance(value, Mapping) and any(must <= set(value) <= may for must, may in _EVIDENCE)
    return "" if fits else f"takes evidence: {_EVIDENCE_SAYS}"


def _no_facts(question: Question, value: Any) -> str:
    fits = (
        isinstance(value, list) and 1 <= len(value) <= MOST_FACTS and not any(_no_evidence(question, v) for v in value)
    )
    return "" if fits else f"takes a list of at most {MOST_FACTS} facts, each a dict as evidence is"


_KINDS = {
    "choice": _no_choice,
    "number": _no_number,
    "text": _no_text,
    "evidence": _no_evidence,
    "facts": _no_facts,
}
