"""A reachability matrix as a picture: a row for each pod that sends, a column for each that is sent to.

A cell says its outcome by a letter (the table's own, `matrix.SHORT`), by the line around it and by colour, and in
words for who points at it or listens.

Left out: more pods than a screen has room for; the table and the JSON have no such end.
"""

from __future__ import annotations

from collections.abc import Iterator

from k8slearn.matrix import SHORT, Matrix
from k8slearn.widgets.faces import image
from k8slearn.widgets.marks import Rect, Sheet, Thing, Words
from k8slearn.widgets.svg import paint

CELL = 24.0
HEAD = 30.0
LETTER = 7.0


def matrix_html(matrix: Matrix) -> str:
    """The picture for a notebook; who does not see it is read the count of outcomes."""
    return image(matrix_svg(matrix), f"who reaches whom: {matrix.text().splitlines()[-1]}")


def matrix_svg(matrix: Matrix) -> str:
    """The matrix as SVG text; the columns have the rows' numbers."""
    left = 40 + LETTER * max((len(pod) for pod in matrix.pods), default=0)
    things = tuple(_things(matrix, left))
    across = max(left + CELL * len(matrix.pods) + 10, 420)
    sheet = Sheet(across, HEAD + CELL * len(matrix.pods) + 30, things)
    over = " over IPv6" if matrix.family == 6 else ""
    return paint(sheet, f"who reaches whom on port {matrix.port}/{matrix.protocol}{over}")


def _things(matrix: Matrix, left: float) -> Iterator[Thing]:
    for row, source in enumerate(matrix.pods):
        top = HEAD + CELL * row
        number = Words("address-dim", left + CELL * (row + 0.5), HEAD - 8, str(row + 1), "middle")
        name = Words("address", left - 8, top + 16, f"{row + 1}  {source}", "end")
        yield Thing(source, source, (name, number))
        for column, to in enumerate(matrix.pods):
            yield _cell(matrix, source, to, left + CELL * column, top)
    legend = ", ".join(f"{letter} {outcome}" for outcome, letter in SHORT.items())
    yield Thing("legend", "", (Words("note", 10, HEAD + CELL * len(matrix.pods) + 20, legend),))


def _cell(matrix: Matrix, source: str, to: str, x: float, y: float) -> Thing:
    outcome = matrix.outcome(source, to)
    role = "tab" if outcome == "connected" else "tab-down"
    box = Rect(role, x + 1, y + 1, CELL - 2, CELL - 2, 3)
    letter = Words("small", x + CELL / 2, y + CELL / 2 + 4, SHORT[outcome], "middle")
    return Thing(f"{source} {to}", f"{source} to {to}: {outcome}", (box, letter))
