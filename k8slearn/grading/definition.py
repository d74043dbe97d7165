"""What an exercise's folder holds, read once and checked.

``exercise.toml`` says what is asked, ``task.md`` says it to the learner, ``start.yaml`` is applied to the cluster at
the start, ``checks.py`` judges, ``reference.py`` solves, ``wrong/`` holds misconceptions. All but the Python files are
templates that the learner's variant fills (see `variant`)::

    title = "Which node answers?"
    lesson = "01"
    kind = "predict"                    # or "write", "mend", "break"
    hints = ["gentle", "plainer", "plain"]

    [start]                             # the arguments of Cluster
    nodes = 2
    network = "bridge"                  # or "none": no plugin yet (TOML has no null)

    [[fault]]                           # done to the cluster at the start, after start.yaml
    on = "node:{{place.near}}"          # node:NAME, NAMESPACE/POD, or kubectl
    run = "ip link set cni0 down"

    [variant]
    app = ["web", "shop"]

    [[question]]
    id = "outcome"
    asks = "What does the client see?"
    [[question.choice]]
    value = "timeout"
    explains = "Nobody drops this packet: …"

A question with choices takes one of their values; ``kind = "text"``, ``"number"``, ``"evidence"`` or ``"facts"``
(a list of evidence) takes what it says.

Left out: questions that depend on one another.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from k8slearn.errors import Refused
from k8slearn.grading import shelf
from k8slearn.grading.checks import Check, Hint, load_checks, load_hints
from k8slearn.grading.variant import Variant, draw, fill

KINDS = {
    "predict": "predict",
    "observe": "observe and measure",
    "write": "write a manifest",
    "configure": "write a configuration or a small plugin",
    "find": "find the fault, with evidence",
    "mend": "find the fault and mend it",
    "break": "break a law and show the witness",
    "explain": "explain, in your own choice of facts",
}
QUESTION_KINDS = ("choice", "text", "number", "evidence", "facts")


@dataclass(frozen=True, slots=True)
class Choice:
    value: str | int | bool
    explains: str


@dataclass(frozen=True, slots=True)
class Question:
    id: str
    asks: str
    kind: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Definition:
    """An exercise as its author wrote it: templates are not filled yet."""

    id: str
    folder: Path
    title: str
    lesson: str
    kind: str
    start: Mapping[str, Any]
    faults: tuple[Mapping[str, str], ...]
    parameters: Mapping[str, Any]
    questions: tuple[Question, ...]
    hints: tuple[str, ...]
    looks: tuple[Hint, ...]
    """Hints that look at the learner's own cluster."""
    task: str
    manifest: str
    checks: tuple[Check, ...]

    @property
    def max_points(self) -> float:
        return sum(c.points for c in self.checks)

    def variant(self, learner: str, token: str = "") -> Variant:
        """The learner's own parameters; `token` is what the course signed for them."""
        return draw(self.parameters, self.id, learner, token)

    def with_hidden(self, folder: Path | None) -> Definition:
        """This exercise with the private checks that stand in ``FOLDER/EXERCISE/checks.py``, if there are any."""
        path = folder / self.id / "checks.py" if folder else None
        if not path or not path.is_file():
            return self
        return replace(self, checks=self.checks + tuple(replace(c, hidden=True) for c in load_checks(path)))

    def question(self, name: str, variant: Variant) -> Question:
        """A question with the variant filled in; raises `Refused` if there is none of this name."""
        for q in self.questions:
            if q.id == name:
                filled = tuple(Choice(fill(c.value, variant), fill(c.explains, variant)) for c in q.choices)
                return Question(q.id, fill(q.asks, variant), q.kind, filled)
        names = ", ".join(q.id for q in self.questions) or "(none)"
        raise Refused(f"exercise {self.id} has no question {str(name)[:64]!r}; its questions are: {names}")


def load(exercise: str) -> Definition:
    """The definition of an exercise on the shelf; raises `Refused` with one sentence when it cannot be read."""
    return read_folder(shelf.find(exercise))


@lru_cache(maxsize=256)
def read_folder(folder: Path) -> Definition:
    """The definition in this folder, read once per process."""
    try:
        card = tomllib.loads((folder / "exercise.toml").read_text(encoding="utf-8"))
        return _definition(folder, card)
    except (tomllib.TOMLDecodeError, OSError, UnicodeDecodeError) as wrong:
        raise Refused(f"exercise {folder.name}: {wrong}") from wrong
    except (KeyError, TypeError) as wrong:
        raise Refused(f"exercise {folder.name}: exercise.toml lacks {wrong}") from wrong


def _definition(folder: Path, card: Mapping[str, Any]) -> Definition:
    if card["kind"] not in KINDS:
        raise Refused(f"exercise {folder.name}: kind is one of {', '.join(KINDS)}, not {card['kind']!r}")
    start = folder / "start.yaml"
    return Definition(
        folder.name,
        folder,
        card["title"],
        str(card["lesson"]),
        card["kind"],
        card.get("start", {}),
        tuple(card.get("fault", ())),
        card.get("variant", {}),
        tuple(_question(folder, q) for q in card.get("question", ())),
        tuple(card.get("hints", ())),
        load_hints(folder / "checks.py"),
        (folder / "task.md").read_text(encoding="utf-8"),
        start.read_text(encoding="utf-8") if start.exists() else "",
        load_checks(folder / "checks.py"),
    )


def _question(folder: Path, card: Mapping[str, Any]) -> Question:
    choices = tuple(Choice(c["value"], c["explains"]) for c in card.get("choice", ()))
    kind = card.get("kind", "choice")
    if kind not in QUESTION_KINDS or (kind == "choice") != bool(choices):
        raise Refused(
            f"exercise {folder.name}: question {card['id']} has choices, or a kind: {', '.join(QUESTION_KINDS[1:])}"
        )
    return Question(card["id"], card["asks"], kind, choices)
