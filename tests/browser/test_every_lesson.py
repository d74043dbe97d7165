"""Every lesson in JupyterLab: all its cells run, and each widget in it is moved with the mouse and with the keyboard.

A widget has moved when its words are others than before. In both themes and in a small window the lesson is there for
a person to look at (``K8SLEARN_SCREENSHOTS``), and no part of a widget reaches over its edge.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from k8slearn.lab import course as where

from .test_course import not_run

LESSONS = sorted(path.name for path in where().glob("*.ipynb"))
OUTPUT = ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.%s']"
WRONG = f"{OUTPUT % 'error'}, .jp-OutputArea-output:has-text('Traceback (most recent call last)')"
WIDGET = re.compile(r"^(?:player|topology|exercise_card)\(.*\)$|\.(?:walk|card)\(.*\)$|^walk$")
"""The last line of a cell whose output is a widget."""


@pytest.mark.slow
@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_runs_and_its_widgets_move(lab: Any, lesson: str, look: Callable[[Any, str], None]) -> None:
    widgets, warned = in_the_notebook(where() / lesson)
    not_run(lab.folder / lesson)
    page = lab.open(lesson, "dark")
    lab.run_all(page)
    page.wait_for_function(f"document.querySelectorAll('.ks-root').length >= {widgets}")
    assert page.locator(WRONG).count() == 0
    assert page.locator(OUTPUT % "stderr").count() == warned
    for widget in page.locator(".ks-root:not(:has(.ks-download))").all():  # test_progress.py moves that one
        moves(widget, lambda widget=widget: by_mouse(widget))
        moves(widget, lambda widget=widget: by_keyboard(widget))
    name = lesson.removesuffix(".ipynb")
    for theme in ("dark", "light"):
        if theme == "light":
            lab.theme(page, theme)
        look(page, f"{name}-{theme}")
        for number, widget in enumerate(page.locator(".ks-root").all()):
            look(widget, f"{name}-{theme}-{number}")
    page.set_viewport_size({"width": 800, "height": 600})
    for number, widget in enumerate(page.locator(".ks-root").all()):
        assert widget.evaluate(WITHIN) == [], "a part of a widget is cut off in a small window"
        look(widget, f"{name}-small-{number}")
    assert lab.asked <= {"127.0.0.1", None}, "a lesson asked another machine for something"
    page.context.close()


def in_the_notebook(path: Path) -> tuple[int, int]:
    """How many widgets its cells show, and how many outputs on standard error the woven lesson has."""
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    last = ["".join(cell["source"]).rstrip().rpartition("\n")[2] for cell in cells]
    outputs = [output for cell in cells for output in cell["outputs"]]
    return sum(bool(WIDGET.search(line)) for line in last), sum(o.get("name") == "stderr" for o in outputs)


def moves(widget: Any, does: Callable[[], None]) -> None:
    """What the widget says, or which of its parts is chosen, is another after this."""
    before = widget.evaluate(SAID)
    does()
    widget.page.wait_for_function(f"([el, before]) => ({SAID})(el) !== before", arg=[widget.element_handle(), before])


SAID = """el => el.innerText + [...el.querySelectorAll('[aria-pressed], [aria-valuetext]')]
    .map((one) => one.getAttribute('aria-pressed') + one.getAttribute('aria-valuetext')).join()"""
WITHIN = """el => [el, ...el.querySelectorAll('fieldset, button, input, select, label, .ks-step')]
    .filter((one) => one.offsetParent !== null && !one.closest('.ks-scroll, .ks-canvas') && (
      one.getBoundingClientRect().right > el.getBoundingClientRect().right + 1 || el.scrollWidth > el.clientWidth + 1))
    .map((one) => one.outerHTML.slice(0, 120))"""


def by_mouse(widget: Any) -> None:
    """Send the packet, predict, go on to the next line, or choose a box."""
    if (send := widget.get_by_role("button", name="Send", exact=True)).count():
        widget.get_by_label("connected", exact=True).click()
        send.click()
    elif (answers := widget.get_by_role("radio")).count():
        answers.first.click()
        widget.get_by_role("button", name="Answer").click()
    elif (cells := widget.get_by_role("gridcell")).count():
        cells.nth(1).click()
    elif (following := widget.get_by_role("button", name="Next", exact=True)).count():
        following.click()
    else:
        widget.locator("g[data-pick]").last.click()


def by_keyboard(widget: Any) -> None:
    """An arrow on the slider; in a grid, or among answers, to the next one and into it; else the first box."""
    if widget.get_by_role("gridcell").count():
        widget.locator("[role=gridcell][tabindex='0']").press("ArrowDown")
        widget.page.keyboard.press("Enter")
    elif (answers := widget.get_by_role("radio")).count() and not widget.get_by_role("slider").count():
        answers.first.press("ArrowDown")
        widget.page.keyboard.press("Enter")
    elif (slider := widget.get_by_role("slider")).count():
        slider.last.press("ArrowRight")
    else:
        widget.locator("g[data-pick][tabindex='0']").press("Home")
        widget.page.keyboard.press("Enter")
