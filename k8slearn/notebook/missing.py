"""A name that a cell asks for and that is not there: a sentence, and what to do.

Python says ``NameError``. In a notebook there are two reasons: the name is misspelt, or the cell that makes it has not
run since the kernel started. What a cluster was may still stand in the file that follows it.

Left out: names missing inside a function of a library (a fault of that library, shown with its traceback).
"""

from __future__ import annotations

import difflib
from types import TracebackType
from typing import Any

from k8slearn.notebook.session import saved_as

AGAIN = "Run the cells above first (Run, then Run All Above Selected Cell), and then this one again."


def says(shell: Any, error: BaseException, trace: TracebackType | None) -> str:
    """The sentence for a name that a cell lacks; nothing if it is not a cell's own."""
    name = getattr(error, "name", None)
    if type(error) is not NameError or not isinstance(name, str) or not _in_a_cell(shell, trace):
        return ""
    known = [one for one in shell.user_ns if not one.startswith("_")]
    if close := difflib.get_close_matches(name, known, 1, 0.8):
        return f"there is no `{name}` here; did you mean `{close[0]}`?"
    return f"there is no `{name}` here: the cell that makes it has not run since the kernel started. {_next(name)}"


def _next(name: str) -> str:
    if name == "exercise":
        return f"{AGAIN} What you did in a saved exercise is there again then."
    path = saved_as(name)
    if path is None or not path.is_file():
        return AGAIN
    return f"{AGAIN} Or get it back as you left it: from k8slearn import Cluster; {name} = Cluster.load({str(path)!r})"


def _in_a_cell(shell: Any, trace: TracebackType | None) -> bool:
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_globals is shell.user_ns
