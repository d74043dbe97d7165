"""``nft``: nftables from the command line (1.0.6).

The words of a command line are one command; ``-f FILE`` (``-``: standard input) is a text of many, applied whole or
not at all. What is read and printed is in `linux/nft/`.

``-j`` prints listings as JSON.

Left out: JSON as input, ``-i``, ``-I``, and the switches that change how things are printed, but ``-a``; each is
refused. iptables' tables, which iptables-nft keeps in nftables, are not listed.
"""

from __future__ import annotations

from k8slearn.errors import CommandError
from k8slearn.linux.nft import Store, as_json, listing, run
from k8slearn.linux.program import Result, Running
from k8slearn.shell.files import read
from k8slearn.shell.process import Process

VERSION = "nftables v1.0.6 (Lester Gooch #5)\n"
FLAGS = {"-a": "a", "--handle": "a", "-c": "c", "--check": "c", "-j": "j", "--json": "j"}
USUAL = ("-n", "--numeric", "-nn", "-nnn")
"""What these ask for is how it is printed anyway."""


def program(process: Process) -> Running:
    """Run ``nft [-a] [-c] [-j] [-f FILE | COMMAND...]``."""
    flags, path, words = _options(process.argv)
    if "v" in flags:
        return Result(VERSION)
    if not path and not " ".join(words).strip():
        raise CommandError("nft: no command specified\n", 1)
    text, name = (f"{' '.join(words)}\n", "") if not path else (_file(process, path), _name(path))
    store = Store(process.world, process.netns)
    form = as_json if "j" in flags else listing
    printed = run(store, text if path else text.rstrip("\n"), name, "a" in flags, form=form)
    if "c" not in flags:
        yield from store.commit()
    return Result(printed)


def _options(argv: tuple[str, ...]) -> tuple[set[str], str, list[str]]:
    """Switches, the file of ``-f``, and the words of the command."""
    flags, path, words = set[str](), "", list(argv)
    while words and words[0].startswith("-") and words[0] != "-":
        option = words.pop(0)
        if option in ("-v", "--version"):
            flags.add("v")
        elif option in ("-f", "--file"):
            if not words:
                raise CommandError(f"nft: option requires an argument -- '{option.lstrip('-')[0]}'\n", 1)
            path = words.pop(0)
        elif option in FLAGS:
            flags.add(FLAGS[option])
        elif option not in USUAL:
            raise CommandError(f"nft: {option}: not modelled here\n", 1)
    return flags, path, words


def _name(path: str) -> str:
    return "/dev/stdin" if path == "-" else path


def _file(process: Process, path: str) -> str:
    if path in ("-", "/dev/stdin"):
        return process.stdin
    text = read(process, path)
    if text is None:
        says = f'internal:0:0-0: Error: Could not open file "{path}": No such file or directory\n\n\n'
        raise CommandError(says, 1)
    return text
