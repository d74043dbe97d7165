"""``kubectl run -it --rm``: a pod for one command (or for a few lines in its shell), gone when they are done.

kubectl makes the pod, waits until it runs, attaches its own terminal to it, and deletes it. A cluster here moves on
between commands and not within one, so whoever types this does three things one after the other: `run`, `exec` and
`delete`, each an input of its own. The lines that one would type at the prompt come as standard input.

Left out: without ``--rm`` (use ``kubectl run`` and ``kubectl exec``); the pod's own program is its image's, not the
command, which is executed beside it.
"""

from __future__ import annotations

import shlex
from typing import NamedTuple

from k8slearn.journal import World
from k8slearn.shell.kubectl.command import Kubectl, fail, read
from k8slearn.shell.kubectl.make import RUN_FLAGS, run
from k8slearn.shell.process import Process

ATTACHING = {"stdin", "tty", "attach", "rm", "quiet"}
SHELLS = {"sh", "bash", "ash", "/bin/sh", "/bin/bash", "/bin/ash"}


class Steps(NamedTuple):
    """The three commands; `pod` is ``namespace/name``."""

    run: str
    exec: str
    delete: str
    pod: str


def steps(command: str, stdin: str) -> Steps | None:
    """What a command line that runs a pod and attaches to it comes to; None for any other. Raises `CommandError`."""
    words = shlex.split(command)
    before = words[: words.index("run")] if "run" in words else ["get"]
    if before and before[0] not in ("-n", "--namespace") and not before[0].startswith("--namespace="):
        return None
    words.remove("run")
    asked = read(Process(World(), "", ()), "run", Kubectl(run, RUN_FLAGS, dashes=True), words)
    if not asked.flags["rm"] or not asked.words:
        return None
    if not (asked.flags["stdin"] or asked.flags["attach"]):
        fail("error: --rm should only be used for attached containers")
    name, program = asked.words[0], [*asked.words[1:], *asked.after]
    if (not program or (len(program) == 1 and program[0] in SHELLS)) and not stdin.strip():
        fail(
            "error: there is no terminal here to type at: give the shell's lines as standard input (stdin=), or one "
            f"command: kubectl run {name} --rm -it --image={asked.flags['image']} -- COMMAND"
        )
    flags = [f"--{n}={v}" for n in sorted(asked.given - ATTACHING) for v in _values(asked.flags[n])]
    terminal = ["--tty"] if asked.flags["tty"] else []
    space = ["-n", asked.namespace]
    return Steps(
        shlex.join(["run", name, *flags, "--stdin", *terminal, "--attach=false"]),
        shlex.join(["exec", name, *space, "-i", "--", *(program or ["sh"])]),
        shlex.join(["delete", "pod", name, *space, "--force", "--grace-period=0"]),
        f"{asked.namespace}/{name}",
    )


def _values(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else [str(value).lower() if isinstance(value, bool) else value]
