"""Bare command lines: ``kubectl get pods`` in a cell, without anything in front.

A convenience for people who come from a terminal. A line is taken for a command only where Python would begin a new
statement, and only while its first word means nothing in the notebook: with ``ip = 7``, the line ``ip - 4`` is
Python.

Left out: command lines inside blocks (write ``!kubectl`` or a magic there).
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Mapping
from typing import Any

VERBS = ("kubectl", "ip", "bridge", "iptables", "iptables-save", "conntrack", "sysctl", "crictl", "ping", "curl", "ss")
_COMMAND = re.compile(rf"(?P<verb>{'|'.join(VERBS)})(?:[ \t]+(?P<rest>[^\s=(.\[,:*%&|^<>@].*))?\s*$")


def install(shell: Any) -> None:
    """Translate bare command lines before IPython reads a cell."""
    shell.input_transformers_cleanup.append(lambda lines: translate(lines, shell.user_ns))


def translate(lines: list[str], names: Mapping[str, Any]) -> list[str]:
    """The cell with each command line as a call of the magic that runs it."""
    if not lines or lines[0].startswith("%%"):
        return lines
    found: list[str] = []
    before = ""
    for line in lines:
        verb = _verb(line, names)
        if verb and _complete(before):
            found.append(f"get_ipython().run_line_magic('k8slearn_line', {line.strip()!r})\n")
            before = ""
        else:
            found.append(line)
            before += "\n" if line.startswith(("!", "%")) else line
    return found


def _verb(line: str, names: Mapping[str, Any]) -> str:
    match = _COMMAND.match(line)
    if match is None or match["verb"] in names or hasattr(builtins, match["verb"]):
        return ""
    return match["verb"]


def _complete(source: str) -> bool:
    """Could a new statement begin after these lines?"""
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True
