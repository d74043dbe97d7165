"""Every module of the floor can be imported first: whoever wants one of them need not know the others.

Only modules that import each other in a circle can fail at that, by using what is not there yet. So those are thrown
out, time and again, and each is the first that comes back.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from k8slearn import linux

FLOOR = Path(linux.__path__[0])
PROGRAM = """
import importlib, sys
for circle in map(str.split, sys.argv[1:]):
    for first in circle:
        for name in circle:
            if sys.modules.pop(name, None):
                vars(sys.modules[name.rpartition(".")[0]]).pop(name.rpartition(".")[2], None)
        try:
            importlib.import_module(first)
        except Exception as error:
            print(first, repr(error))
"""


def imports() -> dict[str, set[str]]:
    """Module of the floor -> the modules of the floor that it imports as it begins."""
    files = {".".join(("k8slearn.linux", *p.relative_to(FLOOR).with_suffix("").parts)): p for p in FLOOR.rglob("*.py")}
    files = {name.removesuffix(".__init__"): path for name, path in files.items()}
    found = {name: set[str]() for name in files}
    for name, path in files.items():
        for statement in ast.parse(path.read_text()).body:
            if isinstance(statement, ast.ImportFrom):
                full = {f"{statement.module}.{alias.name}" for alias in statement.names}
                found[name] |= {one if one in files else str(statement.module) for one in full} & files.keys()
    return found


def circles(graph: dict[str, set[str]]) -> set[str]:
    """The modules that import each other, each circle in a line."""

    def reached(start: str) -> set[str]:
        seen, todo = set[str](), [start]
        while todo:
            new = graph[todo.pop()] - seen
            seen |= new
            todo += new
        return seen

    found = {name: reached(name) for name in graph}
    return {" ".join(sorted(o for o in found[n] if n in found[o])) for n in graph if n in found[n]}


def test_every_module_of_the_floor_can_be_the_first_that_is_imported() -> None:
    found = circles(imports())
    assert any("k8slearn.linux.kinds k8slearn.linux.listen" in circle for circle in found)
    done = subprocess.run([sys.executable, "-c", PROGRAM, *found], capture_output=True, text=True, check=True)
    assert done.stdout == ""
