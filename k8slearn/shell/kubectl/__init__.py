"""kubectl: the API's words in, tables and pages out.

``kubectl get pods`` asks the API server for a table and lays it out; ``describe`` makes a page out of several answers;
``apply`` compares three texts and sends what changed. Ours does the same to the rows of the world, prints what
kubectl 1.32 prints, and ends with its exit status. A file named with ``-f`` is a file of the node; one on a learner's
own machine reaches it through `files.inline`, which puts its text into the command's standard input.

`program` is the way in. Each module has a table ``COMMANDS``; `get`, `describe`, `change`, `labels`, `make`, `inside`,
`waiting` and `about` hold what their names say.

Left out: what needs a person at a terminal (edit, exec -it, port-forward, proxy, attach, debug), what needs a wall
clock (--watch), and explain, diff, drain, top, auth, config, kustomize, plugins: each is refused in a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from k8slearn.errors import CommandError, Refused
from k8slearn.linux.program import Result, Running
from k8slearn.shell.kubectl import about, change, describe, get, inside, labels, make, waiting
from k8slearn.shell.kubectl.command import EVERYWHERE, Kubectl, Request, fail, read
from k8slearn.shell.kubectl.files import inline
from k8slearn.shell.process import Process

__all__ = ["COMMANDS", "inline", "program"]

COMMANDS: Mapping[str, Kubectl] = {
    **get.COMMANDS,
    **describe.COMMANDS,
    **change.COMMANDS,
    **labels.COMMANDS,
    **make.COMMANDS,
    **inside.COMMANDS,
    **waiting.COMMANDS,
    **about.COMMANDS,
}
_INSTEAD = {
    "edit": "change the manifest and run kubectl apply, or use kubectl patch",
    "explain": "the API's reference at kubernetes.io has it",
    "attach": "use kubectl logs or kubectl exec",
    "debug": "use kubectl exec, or a command on the node",
    "cp": "use kubectl exec POD -- cat FILE",
    "proxy": "use kubectl get -o json",
    "diff": "compare with kubectl get -o yaml",
    "drain": "use kubectl cordon and kubectl delete pod",
    "top": "nothing here uses a processor",
    "auth": "everybody is an administrator here",
    "config": "there is one cluster and one user here; name a namespace with -n",
    "autoscale": "nothing here uses a processor",
    "certificate": "there are no certificates here",
    "kustomize": "apply plain manifests",
    "plugin": "there are no plugins here",
    "completion": "the notebook completes",
}
_TAKES_VALUE = {flag.short for flag in EVERYWHERE.values() if flag.takes and flag.short}


def program(process: Process) -> Running:
    """Run one kubectl command line."""
    name, argv = _command(list(process.argv))
    command = COMMANDS.get(name)
    if command is None:
        return Result(stderr=_unknown(name), exit_code=1)
    request = read(process, name, command, argv)
    if request.flags["help"]:
        return Result(_help(name, command))
    try:
        return _strict(request, (yield from command.run(request)))
    except CommandError:
        raise
    except Refused as error:
        said = str(error)
        fail(said if said.startswith(("error", "Error", "The ")) else f"error: {said}")


def _strict(request: Request, result: Result) -> Result:
    """With ``--warnings-as-errors`` a warning is what ends the command with exit status 1."""
    warned = sum(line.startswith("Warning:") for line in result.stderr.splitlines())
    if not warned or not request.flags["warnings-as-errors"]:
        return result
    counted = f"error: {warned} warning{'s' if warned > 1 else ''} received\n"
    return result._replace(stderr=result.stderr + counted, exit_code=1)


def _command(argv: list[str]) -> tuple[str, list[str]]:
    """The command's name and the other words; flags may stand before it (``kubectl -n kube-system get pods``)."""
    at = 0
    while at < len(argv) and argv[at].startswith("-"):
        long = argv[at].removeprefix("--")
        takes = (
            long in EVERYWHERE and EVERYWHERE[long].takes if argv[at].startswith("--") else argv[at][1:] in _TAKES_VALUE
        )
        at += 2 if takes else 1
    if at >= len(argv):
        return "", argv
    return argv[at], argv[:at] + argv[at + 1 :]


def _unknown(name: str) -> str:
    if not name:
        known = "\n".join(f"  {c}" for c in sorted(COMMANDS))
        return f"kubectl controls the Kubernetes cluster manager.\n\nCommands that this cluster knows:\n{known}\n"
    if name in _INSTEAD:
        return f"error: kubectl {name} is not modelled: {_INSTEAD[name]}\n"
    near = get_close_matches(name, COMMANDS, n=1)
    hint = f"\n\nDid you mean this?\n\t{near[0]}\n" if near else ""
    return f'error: unknown command "{name}" for "kubectl"{hint}\n'


def _help(name: str, command: Kubectl) -> str:
    """What the command does, and its flags."""
    first = (command.run.__doc__ or name).split("\n")[0]
    flags = "".join(
        f"    {'-' + f.short + ', ' if f.short else '    '}--{n}{'=' if f.takes else ''}\n"
        for n, f in sorted({**EVERYWHERE, **command.flags}.items())
    )
    return f"{first.replace('``', '')}\n\nOptions:\n{flags}"
