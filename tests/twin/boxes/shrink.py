"""From a scenario with a disagreement to the smallest one that still has it (delta debugging, Zeller 1999).

Whole boxes go first, then ever smaller runs of lines. The engine is asked first, for that costs nothing; those that
are left are tried side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from .compare import SIDE_BY_SIDE, Difference, still
from .scenario import Line, Scenario

Lines = tuple[Line, ...]


def shrink(scenario: Scenario, difference: Difference) -> Scenario:
    """The same difference with as few lines as can be."""
    probes = (difference.probe,) if difference.probe else ()
    small = Scenario(scenario.lines, probes)
    for box in scenario.boxes:
        small = _first_that_differs(small, difference, [_without_box(small.lines, box)]) or small
    size = max(len(small.lines) // 2, 1)
    while True:
        found = _first_that_differs(small, difference, list(_without_runs(small.lines, size)))
        if found is not None:
            small = found
        elif size == 1:
            return small
        else:
            size = (size + 1) // 2


def _without_box(lines: Lines, box: str) -> Lines:
    return tuple(
        line for line in lines if line.box != box and f"netns {box} " not in f"{line.text} ".replace("add ", "")
    )


def _without_runs(lines: Lines, size: int) -> Iterator[Lines]:
    for start in range(0, len(lines), size):
        yield (*lines[:start], *lines[start + size :])


def _first_that_differs(scenario: Scenario, difference: Difference, candidates: list[Lines]) -> Scenario | None:
    """Of smaller scenarios that still have the difference: without all that each could do without, or else one."""
    tried = [scenario._replace(lines=lines) for lines in candidates if len(lines) < len(scenario.lines)]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
        good = [
            one for one, same in zip(tried, threads.map(lambda s: still(s, difference), tried), strict=True) if same
        ]
    if len(good) > 1:
        kept = tuple(line for line in scenario.lines if all(_kept(line, scenario, one) for one in good))
        together = scenario._replace(lines=kept)
        if still(together, difference):
            return together
    return good[0] if good else None


def _kept(line: Line, scenario: Scenario, smaller: Scenario) -> bool:
    """Lines can occur twice; then both are kept or none is."""
    return line in smaller.lines or line not in scenario.lines
