"""What a record's inputs may be: a closed list of kinds, each argument with a type and a bound.

An input is a command as a person could have typed it, so there is no kind that runs code, reads a file or opens a
connection of this machine's. Whatever is not on this list is refused before any of it is done.

Left out: kinds that only a teacher's tools use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from k8slearn.errors import Refused

MOST_TEXT = 200_000
MOST_SECONDS = 7 * 24 * 3600.0
