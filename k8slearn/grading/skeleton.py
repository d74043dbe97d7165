"""A new exercise, as files to fill in: ``k8slearn new exercise ID --kind KIND``.

What is written is a small exercise that works already, of the asking or of the doing kind, with TODO at every place
that the author has to make their own. Until the last TODO is gone, `unfinished` names each of them, and
``k8slearn check`` says them instead of trying the laws.

Left out: a start of its own for each of the eight kinds (asking and doing have one each), questions for evidence and
facts, and the exercise's row in course/README.md, which the author writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from k8slearn.errors import Refused
from k8slearn.grading import shelf
from k8slearn.grading.definition import KINDS

_NAME = re.compile(r"\d\d-[a-z0-9][a-z0-9-]{0,60}")
_TODO = re.compile(r"\bTODO\b:?\s*(.*)")
ASKING = {"predict", "observe", "find", "explain"}
"""The kinds whose skeleton asks a question; the others' has something done to the cluster."""


def new_exercise(exercise: str, kind: str) -> list[Path]:
    """Write the files of a new exercise, and say which; raises `Refused` rather than write over anything."""
    where = shelf.shelf()
    _refuse_unless_free(exercise, kind, where)
    shape = _ASKS if kind in ASKING else _DOES
    wanted = {where / exercise / name: text for name, text in {**_BOTH, **shape}.items()}
    wanted[sheet(exercise)] = _SHEET
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        filled = text.replace("@ID@", exercise).replace("@KIND@", kind).replace("@LESSON@", exercise[:2])
        path.write_text(filled, encoding="utf-8")
    return list(wanted)


def unfinished(exercise: str) -> Iterator[str]:
    """One sentence for each TODO that the author has left, with its file and line."""
    folder = shelf.find(exercise)
    for path in [*sorted(folder.rglob("*.*")), sheet(exercise)]:
        if path.suffix not in {".toml", ".md", ".yaml", ".py"} or not path.is_file():
            continue
        name = path.relative_to(folder) if path.is_relative_to(folder) else f"the course text {path.name}"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if found := _TODO.search(line):
                yield f"{name}, line {number}, is still to do: {found[1].rstrip(chr(34)) or 'fill it in'}"


def sheet(exercise: str) -> Path:
    """The text that the exercise's notebook is woven from: the course stands beside the shelf."""
    return shelf.shelf().parent / "course" / "text" / "exercises" / f"{exercise}.md"


def _refuse_unless_free(exercise: str, kind: str, where: Path) -> None:
    if not _NAME.fullmatch(exercise):
        raise Refused(
            f"an exercise is called by its lesson's two digits and a few small words, like 05-mend-the-route, "
            f"not {exercise[:64]!r}"
        )
    if kind not in KINDS:
        raise Refused(f"kind is one of {', '.join(KINDS)}, not {kind[:64]!r}")
    if where.name == "_exercises" or not where.is_dir():
        raise Refused(
            "there is no folder of exercises to write to: work in a checkout, or name one with K8SLEARN_EXERCISES"
        )
    for path in (where / exercise, sheet(exercise)):
        if path.exists():
            raise Refused(f"{path} exists already, and is left as it is")


# -- what is written ---------------------------------------------------------------------------------------------------

_START = """apiVersion: v1
kind: Pod
metadata: {name: "{{client}}"}  # TODO: what the cluster holds at the start
spec:
  nodeName: node-1
  containers:
  - {name: app, image: registry.k8s.io/e2e-test-images/agnhost:2.53, args: [netexec, "--http-port={{port}}"]}
---
apiVersion: v1
kind: Pod
metadata: {name: "{{server}}"}
spec:
  nodeName: node-2
  containers:
  - {name: app, image: registry.k8s.io/e2e-test-images/agnhost:2.53, args: [netexec, "--http-port={{port}}"]}
"""

_CARD = """title = "TODO: a title of a few words"
lesson = "@LESSON@"
kind = "@KIND@"
hints = [
    "TODO: a gentle hint, which says where to look",
    "TODO: a plainer one, which says what to look for",
    "TODO: a plain one, which says what to do",
]

[start]
nodes = 2
network = "bridge"

[variant]  # TODO: what differs from learner to learner
client = ["till", "robot", "reader"]
server = ["shop", "wiki", "board"]
port = [80, 8080, 9000]
"""

_QUESTION = """
[[question]]
id = "outcome"
asks = "TODO: your question. {{client}} asks {{server}} on port 81, where nobody listens. What does it see?"
[[question.choice]]
value = "connected"
explains = "TODO: why this is not so. Nobody listens on port 81."
[[question.choice]]
value = "refused"
explains = "TODO: why this is so. The kernel of {{server}} says that nobody listens."
[[question.choice]]
value = "unreachable"
explains = "TODO: why this is not so. Every router on the way has a row for {{server}}."
[[question.choice]]
value = "timeout"
explains = "TODO: why this is not so. Nobody drops this packet."
"""

_FAULT = """
[[fault]]  # TODO: what is done to the cluster at the start
on = "node:node-1"
run = "ip route del 10.244.1.0/24"
"""

_ASKED = '''"""TODO: how the work is judged, in one sentence."""

from k8slearn.grading.checks import Work, check, hint


@check("outcome", asks="TODO: what the learner knows then, as a sentence.")
def outcome(work: Work) -> None:
    names = work.variant
    found = work.at(work.started).trace(f"default/{names['client']}", f"default/{names['server']}", 81)
    work.chose("outcome", found.outcome, "TODO: what to look at again.")


@hint
def what_listens(work: Work) -> str:  # TODO: a hint from the learner's own state
    return f"{work.variant['server']} listens on port {work.variant['port']}."
'''

_DONE = '''"""TODO: how the work is judged, in one sentence."""

from k8slearn.grading.checks import Work, check, hint


@check("reaches", asks="TODO: what must work in the end, as a sentence.")
def reaches(work: Work) -> None:
    names = work.variant
    ends = [f"default/{names[end]}" for end in ("client", "server")]
    work.connects(*ends, names["port"], hint="TODO: where to look.")


@hint
def what_it_sees(work: Work) -> str:  # TODO: a hint from the learner's own state
    names = work.variant
    found = work.trace(f"default/{names['client']}", f"default/{names['server']}", names["port"])
    return f"{names['client']} sees now: {found.outcome}."
'''


def _answers(value: str, says: str, expect: str = "") -> str:
    return f'{expect}"""TODO: {says}"""\n\n\ndef solve(exercise):\n    exercise.answer("outcome", "{value}")\n'


def _runs(command: str, says: str, expect: str = "") -> str:
    return (
        f'{expect}"""TODO: {says}"""\n\n\ndef solve(exercise):\n    exercise.cluster.node("node-1").run("{command}")\n'
    )


_WRONG = "the misconception, in one sentence; the file is named after it."
_BOTH = {
    "task.md": "TODO: what is asked, in a few short sentences.\n\n"
    "{{client}} asks {{server}} on port {{port}}. Both are in a cluster of two nodes.\n",
    "start.yaml": _START,
}
_ASKS = {
    "exercise.toml": _CARD + _QUESTION,
    "checks.py": _ASKED,
    "reference.py": _answers("refused", "why this is right."),
    **{
        f"wrong/{name}.py": _answers(value, _WRONG, "# expect: outcome\n")
        for name, value in {"first": "connected", "second": "unreachable", "third": "timeout"}.items()
    },
}
_ROUTES = {
    "first": "ip route add 10.244.1.0/24 via 192.168.64.99",
    "second": "ip route add blackhole 10.244.1.0/24",
    "third": "ip route add 10.244.2.0/24 via 192.168.64.12",
}
_DOES = {
    "exercise.toml": _CARD + _FAULT,
    "checks.py": _DONE,
    "reference.py": _runs("ip route add 10.244.1.0/24 via 192.168.64.12", "why this is right."),
    **{f"wrong/{name}.py": _runs(run, _WRONG, "# expect: reaches\n") for name, run in _ROUTES.items()},
}
_SHEET = """# Exercise @ID@ · TODO: the title

Put your name in the next cell: it draws your own variant, and it is the name that your work is graded under.

```{code-cell}
%load_ext k8slearn
```

```{code-cell}
from k8slearn import open_exercise

exercise = open_exercise("@ID@", learner="your-name")
cluster = exercise.cluster
exercise
```

TODO: what to look at first, and where to go on from there.

```{code-cell}
exercise.check()
```

To hand in, save this notebook: the output of the last `exercise.check()` carries your work.
"""
