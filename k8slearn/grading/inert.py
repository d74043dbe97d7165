"""Text that a learner controls, made harmless for the format in which a report shows it.

A learner names a folder, an answer, a pod. A spreadsheet runs cells that begin with ``=``, a browser runs
``<script>``, a terminal obeys escapes, Markdown draws links and a CI runner obeys lines that begin with ``::``. So no
text of theirs goes into a report except through one of these functions.

Left out: look-alike letters; a name is shown as it was written.
"""

from __future__ import annotations

import html
import re
import unicodedata

from k8slearn.journal import digest

MOST = 2_000
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+-]{0,79}")
_RUNNER = re.compile(r"(?m)^(\s*):(?=:)|#(?=#\[)")
"""What a CI runner obeys in a line of output: ``::error`` at its start, ``##[error]`` anywhere (actions/runner,
src/Runner.Common/ActionCommand.cs)."""
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|<>~&:@-])")


def plain(text: str, most: int = MOST) -> str:
    """The text with every control, format and surrogate character spelled out (``\\x1b``); newlines stay.

    Nor is a line of it a command to a CI runner."""
    if len(text) > most:
        text = text[: most - 1] + "…"
    if text.isascii() and text.isprintable():
        return _unruled(text)
    return _unruled("".join(c if c == "\n" or not _unseen(c) else _spelled(c) for c in text))


def _unruled(text: str) -> str:
    return _RUNNER.sub(lambda mark: rf"{mark[1]}\x3a" if mark[0] != "#" else r"\x23", text)


def _unseen(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def one_line(text: str, most: int = MOST) -> str:
    """`plain`, with newlines turned to spaces."""
    return " ".join(plain(text, most).split())


def as_html(text: str) -> str:
    """Safe between tags and in a quoted attribute."""
    return html.escape(plain(text), quote=True)


def as_csv(text: str) -> str:
    """One line that no spreadsheet takes for a formula, and no CI runner for a command."""
    line = one_line(text)
    return "'" + line if line.startswith(("=", "+", "-", "@", "|", "%", "::")) else line


def as_markdown(text: str) -> str:
    """One line in which nothing is a link, a tag, a table's edge, a mention or a workflow command."""
    return _MARKDOWN.sub(lambda mark: f"&#{ord(mark.group(1))};", one_line(text))


def as_command(text: str) -> str:
    """The message, or a property's value, of a workflow command that *we* write: nothing in it ends it early.

    (actions/toolkit, packages/core/src/command.ts.)"""
    line = one_line(text, 500)
    return "".join(f"%{ord(c):02X}" if c in "%:,\r\n" else c for c in line)


def as_filename(name: str) -> str:
    """A file name of its own for each name: itself where that is harmless, else a slug, ``~`` and a digest."""
    if _PLAIN_NAME.fullmatch(name):
        return name
    slug = re.sub(r"[^A-Za-z0-9]+", "-", name)[:40].strip("-") or "learner"
    return f"{slug}~{digest('file', name.encode('utf-8', 'backslashreplace'), length=10)}"
