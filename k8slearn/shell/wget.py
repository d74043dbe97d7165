"""``wget``: GNU wget 1.21 on a machine, BusyBox wget in a container, as most images have it.

Left out: https, redirects, recursion, more than one ``--header``, saving to a file (``-O -`` prints; another file is
written nowhere), dates, and progress bars.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass

from k8slearn.errors import CommandError
from k8slearn.journal import Command
from k8slearn.linux import socket
from k8slearn.linux.program import Result, Running
from k8slearn.shell.http import Fetched, Words, fetch, parse
from k8slearn.shell.process import Process

WITH_VALUE = {"-O": "output", "-T": "timeout", "-t": "tries", "--timeout": "timeout", "--tries": "tries"}
WITH_VALUE |= {"--output-document": "output", "--header": "header", "--connect-timeout": "timeout"}
FLAGS = {"-q": "quiet", "--quiet": "quiet", "--spider": "spider", "-S": "headers", "--no-check-certificate": "-"}
WHEN = "2026-01-01 00:00:00"


@dataclass(slots=True)
class Asked:
    """A command line."""

    told: dict[str, str]
    url: str = ""

    @property
    def patience(self) -> float:
        word = self.told.get("timeout", "")
        seconds = float(word) if re.fullmatch(r"\d+(\.\d+)?", word) else 0.0
        return min(seconds or socket.PATIENCE, socket.PATIENCE)


def program(process: Process) -> Running:
    """Run ``wget``."""
    asked = _read(list(process.argv))
    if not asked.url:
        usage = "wget: missing URL\nUsage: wget [OPTION]... [URL]...\n\nTry `wget --help' for more options.\n"
        raise CommandError(usage, 1)
    if asked.url.startswith("https://"):
        raise CommandError("wget: https is not modelled here\n", 1)
    return (yield from _run(process, asked))


def _run(process: Process, asked: Asked) -> Generator[Command, None, Result]:
    url = parse(asked.url)
    if url is None:
        raise CommandError(f"{asked.url}: Invalid URL.\n", 1)
    patience = min(asked.patience, process.limit)
    said = asked.told.get("header", "").partition(":")
    headers = ((said[0].strip(), said[2].strip()),) if said[1] else ()
    fetched = yield from fetch(process, url, patience, words=Words(headers=headers))
    if process.limit <= patience and fetched.ending.outcome == "timeout":
        return Result(exit_code=124)
    stdout = fetched.body if asked.told.get("output") == "-" and "spider" not in asked.told else ""
    code, story = _gnu(asked, fetched) if process.on_machine else _busybox(asked, fetched)
    return Result(stdout if code == 0 else "", "" if "quiet" in asked.told and process.on_machine else story, code)


def _read(words: list[str]) -> Asked:
    asked = Asked({})
    while words:
        word = words.pop(0)
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            _option(asked, name, [value] if equals else words)
        elif word.startswith("-") and len(word) > 1:
            _letters(asked, word, words)
        else:
            asked.url = word
    return asked


def _letters(asked: Asked, word: str, words: list[str]) -> None:
    """``-qO-``: several letters, the last of which may take the rest as its value."""
    for at, letter in enumerate(word[1:], 1):
        if f"-{letter}" in WITH_VALUE and word[at + 1 :]:
            words.insert(0, word[at + 1 :])
        _option(asked, f"-{letter}", words)
        if f"-{letter}" in WITH_VALUE:
            return


def _option(asked: Asked, name: str, words: list[str]) -> None:
    if name in FLAGS:
        asked.told[FLAGS[name]] = ""
    elif name not in WITH_VALUE:
        raise CommandError(f"wget {name}: this is not modelled here\n", 2)
    elif not words:
        raise CommandError(f"wget: option requires an argument -- '{name.lstrip('-')}'\n", 2)
    else:
        asked.told[WITH_VALUE[name]] = words.pop(0)


def _gnu(asked: Asked, fetched: Fetched) -> tuple[int, str]:
    url, ending = fetched.url, fetched.ending
    head = "Spider mode enabled. Check if remote file exists.\n" if "spider" in asked.told else ""
    head += f"--{WHEN}--  http://{url.authority}{url.path}\n"
    if fetched.address is None:
        host = f"\u2018{url.host}\u2019"
        failed = f"Resolving {url.host} ({url.host})... failed: {ending.error}.\n"
        return 4, f"{head}{failed}wget: unable to resolve host address {host}\n"
    named = "" if url.host == fetched.address else f" ({url.host})|{fetched.address}|"
    host = f"[{url.host}]" if ":" in url.host else url.host
    head += f"Connecting to {host}{named}:{url.port}... "
    if ending.outcome != "connected":
        again = "Giving up.\n\n" if ending.outcome == "timeout" else ""
        return 4, f"{head}failed: {ending.error or 'Connection timed out'}.\n{again}"
    size = len(fetched.body.encode())
    head += f"connected.\nHTTP request sent, awaiting response... {fetched.status}\n"
    if fetched.status[0] in "45":
        return 8, f"{head}{WHEN} ERROR {fetched.status.replace(' ', ': ', 1)}.\n\n"
    head += f"Length: {size} [text/plain]\n"
    if "spider" in asked.told:
        return 0, head + "Remote file exists.\n\n"
    return 0, f"{head}Saving to: \u2018STDOUT\u2019\n\n{WHEN} (1.00 MB/s) - written to stdout [{size}/{size}]\n\n"


def _busybox(asked: Asked, fetched: Fetched) -> tuple[int, str]:
    """BusyBox says where it connects to unless it is to be quiet, and what went wrong in any case."""
    url, outcome = fetched.url, fetched.ending.outcome
    if fetched.address is None:
        return 1, f"wget: bad address '{url.authority}'\n"
    host = f"[{fetched.address}]" if ":" in fetched.address else fetched.address
    story = "" if "quiet" in asked.told else f"Connecting to {url.authority} ({host}:{url.port})\n"
    if outcome == "connected" and fetched.status[0] in "45":
        return 1, f"{story}wget: server returned error: HTTP/1.1 {fetched.status}\n"
    if outcome == "connected":
        found = "remote file exists\n" if "spider" in asked.told else ""
        found = "writing to stdout\nwritten to stdout\n" if not found and asked.told.get("output") == "-" else found
        return 0, story + found if story else ""
    if outcome == "timeout":
        return 1, f"{story}wget: download timed out\n"
    return 1, f"{story}wget: can't connect to remote host ({fetched.address}): {fetched.ending.error}\n"
