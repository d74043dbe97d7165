"""Where the class stands: a page for the instructor, made of the same rows as every other report.

How each exercise went, at which checks people stop, what they believed (the misconception whose wrong answer says the
same to the same check, names aside), who did the same as somebody else, and what was odd. Each bar stands beside its
number. Like a learner's page it needs no script and nothing from outside.

Left out: time; a record does not say when it was made.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice, product
from pathlib import Path
from typing import NamedTuple

from k8slearn.errors import Refused
from k8slearn.grading import laws, shelf
from k8slearn.grading.definition import Definition, load
from k8slearn.grading.feedback import page
from k8slearn.grading.inert import as_html
from k8slearn.grading.row import STATUSES, Row

FEW = 4
"""Records of fewer entries than this are alike by chance."""
MOST = 200
"""How many lines a table shows; the rest is counted."""
SHADES = {"done": "●", "not done": "◐", "missing": "○", "refused": "✕", "limit": "!"}
"""A mark for each status, because a colour is never the only carrier of meaning."""


STYLE = (
    "div{overflow-x:auto}table{border-collapse:collapse}td,th{padding:.2rem .7rem;text-align:left;vertical-align:top;"
    "border-bottom:1px solid #8888}td.n{text-align:right}svg{vertical-align:middle}"
)


class Mistake(NamedTuple):
    """What several learners were told by one check, names aside."""

    exercise: str
    check: str
    kind: str


def class_page(rows: Sequence[Row]) -> str:
    """The report as one page of HTML."""
    parts = [
        _part("How each exercise went", _exercises(rows)),
        _part("Where people stop", _checks(rows)),
        _part("What they believed", _beliefs(rows)),
        _part("Who did the same", _alike(rows)),
        _part("What was odd", _odd(rows)),
    ]
    return page("The class", "".join(parts), "70rem", STYLE)


def _part(title: str, lines: Iterable[Sequence[str]]) -> str:
    """A heading and a table; the first line is its head, and every cell is HTML already."""
    head, *body = lines
    if not body:
        return f"<h2>{title}</h2>\n<p>Nothing.</p>\n"
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    shown = "\n".join(f"<tr>{''.join(map(_cell, line))}</tr>" for line in body[:MOST])
    more = f"<p>And {len(body) - MOST} more, in grades.json.</p>\n" if len(body) > MOST else ""
    table = f"<table>\n<thead><tr>{top}</tr></thead>\n<tbody>\n{shown}\n</tbody>\n</table>"
    return f'<h2>{title}</h2>\n<div role="region" aria-label="{title}" tabindex="0">\n{table}\n</div>\n{more}'


def _cell(text: str) -> str:
    return f'<td class="n">{text}</td>' if text.isdigit() else f"<td>{text}</td>"


def bar(share: float) -> str:
    """A bar for a share from 0 to 1; whoever cannot see it reads the number beside it."""
    return (
        '<svg width="160" height="14" aria-hidden="true">'
        '<rect width="160" height="14" fill="none" stroke="currentColor"/>'
        f'<rect width="{160 * share:.0f}" height="14" fill="currentColor" opacity=".6"/></svg> {share:.0%}'
    )


def _exercises(rows: Sequence[Row]) -> Iterator[Sequence[str]]:
    yield ["exercise", "done", *(f"{SHADES[s]} {s}" for s in STATUSES)]
    for exercise in sorted({r.exercise for r in rows if r.max_points}):
        states = Counter(r.status for r in rows if r.exercise == exercise)
        share = states["done"] / states.total()
        yield [as_html(exercise), bar(share), *(str(states[s]) for s in STATUSES)]


def _checks(rows: Sequence[Row]) -> Iterator[Sequence[str]]:
    yield ["exercise", "check", "holds", "of those who handed in"]
    holds: Counter[tuple[str, str]] = Counter()
    asked: Counter[tuple[str, str]] = Counter()
    for row, verdict in ((r, v) for r in rows if r.judgement for v in r.judgement.verdicts):
        asked[row.exercise, verdict.check] += 1
        holds[row.exercise, verdict.check] += verdict.holds
    for (exercise, check), many in asked.items():
        if holds[exercise, check] < many:
            yield [as_html(exercise), as_html(check), bar(holds[exercise, check] / many), str(many)]


def _beliefs(rows: Sequence[Row]) -> Iterator[Sequence[str]]:
    yield ["exercise", "check", "learners", "misconception", "what the check said"]
    told: defaultdict[Mistake, list[str]] = defaultdict(list)
    for row, verdict in ((r, v) for r in rows if r.judgement for v in r.judgement.verdicts):
        if not verdict.holds:
            told[Mistake(row.exercise, verdict.check, verdict.kind)].append(row.learner)
    asked = {m.exercise for m in told}.intersection(shelf.ids())
    known = {each: misconceptions(each, [m for m in told if m.exercise == each]) for each in sorted(asked)}
    for mistake, learners in sorted(told.items(), key=lambda found: (-len(found[1]), found[0])):
        name = known.get(mistake.exercise, {}).get(mistake, "")
        told_them = (as_html(mistake.check), str(len(learners)), as_html(name), as_html(mistake.kind))
        yield [as_html(mistake.exercise), *told_them]


def misconceptions(exercise: str, wanted: Collection[Mistake]) -> Mapping[Mistake, str]:
    """Which of these mistakes a wrong answer of the exercise makes -> the misconception that it stands for."""
    found: dict[Mistake, str] = {}
    definition = load(exercise)
    for learner, path in product(laws.LEARNERS, laws.wrong_files(definition)):
        # one variant's answers name most mistakes; the others are asked about what is left
        if laws.expected(path) in {mistake.check for mistake in wanted if mistake not in found}:
            for mistake in _mistakes(definition, learner, path):
                found.setdefault(mistake, path.stem.replace("-", " "))
    return found


def _mistakes(definition: Definition, learner: str, path: Path) -> Iterator[Mistake]:
    """What this wrong answer is told in this learner's variant."""
    solve = laws.solutions(path).get("solve")
    if solve is not None:
        with suppress(Refused):
            verdicts = laws.judged(definition, learner, solve).verdicts
            yield from (Mistake(definition.id, v.check, v.kind) for v in verdicts if not v.holds)


def _alike(rows: Sequence[Row]) -> Iterator[Sequence[str]]:
    """Records whose entries are the same, the names of the variants aside."""
    yield ["exercise", "entries", "learners"]
    same: defaultdict[tuple[str, int, str], list[str]] = defaultdict(list)
    for row in rows:
        if row.judgement and row.judgement.entries >= FEW:
            same[row.exercise, row.judgement.entries, row.judgement.work].append(row.learner)
    for (exercise, entries, _), learners in sorted(same.items()):
        if len(learners) > 1:
            names = ", ".join(as_html(name) for name in islice(learners, 20))
            more = f" and {len(learners) - 20} more" if len(learners) > 20 else ""
            yield [as_html(exercise), str(entries), names + more]


def _odd(rows: Sequence[Row]) -> Iterator[Sequence[str]]:
    yield ["learner", "exercise", "what"]
    for row in rows:
        told = [
            *(row.judgement.odd if row.judgement else ()),
            *([row.message] if row.status in ("refused", "limit") else ()),
        ]
        for line in told:
            yield [as_html(row.learner), as_html(row.exercise), as_html(line)]
