"""Files named with ``-f``: standard input, or a file of the node that kubectl runs on.

A person in a notebook writes ``kubectl apply -f web.yaml`` and means a file of their own computer. What is journalled
must not depend on it, so the facade puts the text into the command's input with `inline`: ``-f -``, and a comment
``# Source: web.yaml`` above the text, from which kubectl takes the name for its messages.

An add-on's own address (``https://…/metallb-native.yaml``) gives the manifest that we have of it.

Left out: directories, other URLs, ``-k``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

from k8slearn import manifests
from k8slearn.shell.kubectl.command import Request, fail

_TAKES_FILES = {"apply", "create", "delete", "replace", "get", "describe", "label", "annotate", "scale", "expose",
                "wait", "patch", "rollout", "set"}  # fmt: skip
_FOLLOWS = {"logs", "exec"}
"""Where ``-f`` means something else."""
_SOURCE = re.compile(r"\A# Source: (.*)\n")


def inline(command: str, read: Callable[[str], str], stdin: str = "") -> tuple[str, str]:
    """A command line without files: every ``-f FILE`` becomes ``-f -``, and `read`'s texts come by standard input
    (``--patch-file`` likewise).

    Returns (command, stdin). `read` is only called for files, never for ``-``; it raises `Refused` as it likes.
    """
    words = shlex.split(command)
    end = words.index("--") if "--" in words else len(words)
    verb = next((w for w in words[:end] if w in _TAKES_FILES or w in _FOLLOWS), "")
    if verb not in _TAKES_FILES:
        return command, stdin
    texts: list[str] = []
    out: list[str] = []
    used: list[str] = []
    at = 0
    while at < end:
        flag, value, step = _file_flag(words, at)
        at += step
        if flag is None:
            out.append(value)
        elif value.startswith(("http://", "https://")):
            out += [flag, value]
        else:
            used += [] if flag in used else [flag]
            texts += [stdin] if value == "-" else [f"# Source: {path}\n{read(path)}" for path in value.split(",")]
    if not texts:
        return command, stdin
    joined = "\n---\n".join(text.rstrip("\n") for text in texts) + "\n"
    return shlex.join([*out, *(word for flag in used for word in (flag, "-")), *words[end:]]), joined


def _file_flag(words: list[str], at: int) -> tuple[str | None, str, int]:
    """(the flag, its value, how many words it took); no flag: (None, the word, 1)."""
    word = words[at]
    for flag, spelt in (("-f", "-f"), ("-f", "--filename"), ("--patch-file", "--patch-file")):
        if word == spelt and at + 1 < len(words):
            return flag, words[at + 1], 2
        if word.startswith(f"{spelt}=") and spelt != "-f":
            return flag, word.partition("=")[2], 1
    if re.fullmatch(r"-f=?.+", word):
        return "-f", word[2:].removeprefix("="), 1
    return None, word, 1


def texts(request: Request) -> str:
    """All that the request's ``-f`` flags name, as one text."""
    return "\n---\n".join(read(request, path) for flag in request.flags["filename"] for path in flag.split(","))


def read(request: Request, path: str) -> str:
    """The text of one file, or of standard input."""
    if path == "-":
        return _SOURCE.sub("", request.process.stdin)
    if path.startswith(("http://", "https://")):
        if (
            named := next((name for end, name in manifests.URLS.items() if path.endswith(f"/{end}")), None)
        ) is not None:
            return manifests.addon(named)
        fail(f'error: unable to read URL "{path}": this cluster has no way to the Internet; apply the text instead')
    found = request.world.get((request.process.files, "file", path))
    if found is None:
        fail(f'error: the path "{path}" does not exist')
    return str(found)


def source(request: Request) -> str:
    """How messages call the input: ``STDIN``, or the file's name."""
    path = request.flags["filename"][0] if request.flags["filename"] else "-"
    if path != "-":
        return str(path)
    named = _SOURCE.match(request.process.stdin)
    return named[1] if named else "STDIN"
