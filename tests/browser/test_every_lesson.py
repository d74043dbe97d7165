"""Every lesson in JupyterLab: all its cells run, and each widget in it is moved with the mouse and with the keyboard.

A widget has moved when its words are others than before. In the dark theme and in a small window the lesson is there
for a person to look at (``K8SLEARN_SCREENSHOTS``), and nothing in it is wider than the window.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from k8slearn.lab import copy_course
from k8slearn.lab import course as where

from .test_course import not_run

LESSONS = sorted(path.name for path in where().glob("*.ipynb"))
WRONG = (
    ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error'], "
    ".jp-OutputArea-output:has-text('Traceback (most recent call last)')"
)


@pytest.fixture(scope="module")
def lessons(lab: Any) -> Path:
    """The course as `k8slearn lab` copies it."""
    copy_course(where(), lab.folder)
    folder: Path = lab.folder
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_runs_and_its_widgets_move(
    lab: Any, lessons: Path, lesson: str, look: Callable[[Any, str], None]
) -> None:
    not_run(lessons / lesson)
    page = lab.open(lesson, "dark")
    lab.run_all(page)
    assert page.locator(WRONG).count() == 0
    for widget in page.locator(".ks-root:not(:has(.ks-download))").all():  # test_progress.py moves that one
        widget.wait_for()
        moves(widget, lambda widget=widget: pressed(widget))
        moves(widget, lambda widget=widget: stepped(page, widget))
    look(page, f"{lesson.removesuffix('.ipynb')}-dark")
    page.set_viewport_size({"width": 720, "height": 800})
    for number, widget in enumerate(page.locator(".ks-root").all()):
        assert widget.evaluate("el => el.scrollWidth <= el.clientWidth + 1"), "a widget is cut off in a small window"
        look(widget, f"{lesson.removesuffix('.ipynb')}-small-{number}")
    page.context.close()


def moves(widget: Any, does: Callable[[], None]) -> None:
    """What the widget says, or which of its parts is chosen, is another after this."""
    before = widget.evaluate(SAID)
    does()
    widget.page.wait_for_function(f"([el, before]) => ({SAID})(el) !== before", arg=[widget.element_handle(), before])


SAID = """el => el.innerText + [...el.querySelectorAll('[aria-pressed], [aria-valuetext]')]
    .map((one) => one.getAttribute('aria-pressed') + one.getAttribute('aria-valuetext')).join()"""


def pressed(widget: Any) -> None:
    """The mouse: send the packet, or go on to the next line."""
    send = widget.get_by_role("button", name="Send", exact=True)
    if send.count():
        widget.get_by_label("connected", exact=True).click()
        send.click()
        return
    if cells(widget).count():
        cells(widget).nth(1).click()
        return
    widget.get_by_role("button", name="Next", exact=True).click()


def stepped(page: Any, widget: Any) -> None:
    """The keyboard: an arrow, wherever the focus is in the widget; in a grid Enter opens the cell that it came to."""
    if cells(widget).count():
        widget.locator("[role=gridcell][tabindex='0']").focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        return
    slider = widget.get_by_role("slider").last
    slider.focus()
    page.keyboard.press("ArrowRight")


def cells(widget: Any) -> Any:
    return widget.get_by_role("gridcell")
