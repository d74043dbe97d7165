"""Where the exercises stand: a folder each, found by its name.

The first of these that exists is the shelf: the folder that ``K8SLEARN_EXERCISES`` names, ``exercises/`` beside the
package (a checkout), ``_exercises`` inside the package (an installed wheel).

Left out: several shelves at once, and exercises fetched from anywhere.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path

import k8slearn
from k8slearn.errors import Refused

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def find(exercise: str) -> Path:
    """The folder of an exercise; raises `Refused` with the nearest names if there is none."""
    names = ids()
    if exercise in names:
        return shelf() / exercise
    near = difflib.get_close_matches(str(exercise)[:64], names, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names) or '(none)'}"
    raise Refused(f"there is no exercise called {str(exercise)[:64]!r}; {hint}")


def ids() -> list[str]:
    """The names of every exercise on the shelf, in order."""
    where = shelf()
    if not where.is_dir():
        return []
    return sorted(p.name for p in where.iterdir() if _NAME.fullmatch(p.name) and (p / "exercise.toml").is_file())


def shelf() -> Path:
    """The folder that holds the exercises' folders."""
    package = Path(k8slearn.__file__).parent
    places = [package.parent / "exercises", package / "_exercises"]
    named = os.environ.get("K8SLEARN_EXERCISES")
    if named:
        return Path(named)
    return next((p for p in places if p.is_dir()), places[-1])
