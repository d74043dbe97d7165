"""Columns out of tabs, as Go's text/tabwriter makes them: everything that kubectl prints went through it.

A cell ends with a tab. Lines that follow each other and have a cell in the same column share that column's width; a
line without one ends the column. The text after a line's last tab belongs to no column and is never padded.

Left out: right alignment, tabs as padding, escaped text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def aligned(lines: Iterable[str], minimum: int = 0, padding: int = 2) -> str:
    """The lines (without their ends) with tabs turned into columns. kubectl get: ``aligned(lines, 6, 3)``."""
    cells = [line.split("\t") for line in lines]
    out: list[str] = []
    _block(cells, 0, len(cells), (), (minimum, padding), out)
    return "".join(line + "\n" for line in out)


def table(rows: Sequence[Sequence[str]]) -> str:
    """A table as ``kubectl get`` prints it: three blanks between columns, no column narrower than six."""
    return aligned(["\t".join(row) for row in rows], 6, 3)


def _block(
    lines: list[list[str]], start: int, end: int, widths: tuple[int, ...], room: tuple[int, int], out: list[str]
) -> None:
    """Lay out lines[start:end], whose first len(widths) columns are already known."""
    column = len(widths)
    at = start
    while at < end:
        if column >= len(lines[at]) - 1:
            at += 1
            continue
        out += [_padded(line, widths) for line in lines[start:at]]
        start = at
        while at < end and column < len(lines[at]) - 1:
            at += 1
        width = max(room[0], *(len(line[column]) + room[1] for line in lines[start:at]))
        _block(lines, start, at, (*widths, width), room, out)
        start = at
    out += [_padded(line, widths) for line in lines[start:end]]


def _padded(line: list[str], widths: tuple[int, ...]) -> str:
    first = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
    return "".join([*first, *line[len(first) :]])
