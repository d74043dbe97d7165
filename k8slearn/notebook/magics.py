"""The magics: ``%%kubectl``, ``%kubectl``, ``%%yaml``, ``%%node``, ``%%pod``, ``%cluster``, and ``!kubectl`` kept
in-process.

A cell of command lines is run line by line, as a shell would; where it has more than one, each output stands under
its command. What a tool writes to standard error is shown there, and the cell goes on, as in a shell; ``%%yaml``
fails the cell, because what follows would build on it.

Left out: pipes, redirections and shell variables (the shell room refuses them in a sentence).
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable
from typing import Any, NoReturn

from k8slearn.errors import CommandError, Refused
from k8slearn.linux.program import Result
from k8slearn.notebook.session import Session, write


def install(shell: Any, session: Session) -> None:
    """Register every magic, and answer ``!kubectl`` from the cluster."""
    table: dict[str, tuple[str, Callable[..., None]]] = {
        "kubectl": ("line_cell", lambda line, cell=None: _kubectl(session, line, cell)),
        "yaml": ("cell", lambda line, cell: _yaml(session, line, cell)),
        "node": ("line_cell", lambda line, cell=None: _node(session, line, cell)),
        "pod": ("line_cell", lambda line, cell=None: _pod(session, line, cell)),
        "cluster": ("line", lambda line: _cluster(session, line)),
        "k8slearn_line": ("line", lambda line: _bare(session, line)),
    }
    for name, (kind, magic) in table.items():
        shell.register_magic_function(magic, magic_kind=kind, magic_name=name)
    _keep_kubectl_here(shell, session)


def _kubectl(session: Session, line: str, cell: str | None) -> None:
    """``%kubectl COMMAND``; ``%%kubectl`` with a command on each line, or COMMAND with standard input below."""
    if line.strip():
        write(session.kubectl(_bare_words(line), cell or ""))
    else:
        _each(_lines(cell or ""), session.kubectl)


def _yaml(session: Session, line: str, cell: str) -> None:
    """Apply the manifest below; ``%%yaml -n NAMESPACE`` for another namespace than default."""
    given = _arguments("%%yaml", line, ("-n", "--namespace"))
    result = session.kubectl(
        " ".join(["apply", "-f", "-", *(["-n", given.namespace] if given.namespace else [])]), cell
    )
    write(Result(result.stdout))
    if result.exit_code:
        raise CommandError(result.stderr, result.exit_code, result.stdout)


def _node(session: Session, line: str, cell: str | None) -> None:
    """``%%node NAME``: each line below is a command on that node. ``%node NAME`` sends bare lines there."""
    name = line.strip()
    if not name:
        raise Refused("say which node: %%node node-1")
    session.cluster.node(name)
    session.place = f"node:{name}"
    _each(_lines(cell or ""), lambda command: session.run(session.place, command))


def _pod(session: Session, line: str, cell: str | None) -> None:
    """``%%pod NAMESPACE/NAME``: each line below is a command in that pod. ``%pod NAME`` sends bare lines there."""
    name = line.strip()
    if not name:
        raise Refused("say which pod: %%pod default/web")
    namespace, _, short = name.rpartition("/")
    session.cluster.pod(short, namespace or "default")
    session.place = f"{namespace or 'default'}/{short}"
    _each(_lines(cell or ""), lambda command: session.run(session.place, command))


def _cluster(session: Session, line: str) -> None:
    """``%cluster NAME`` chooses the cluster that command lines mean; without a name, says which it is."""
    named, name = session.look(), line.strip()
    if name and name not in named:
        raise Refused(f"there is no cluster {name!r} here; there are: {', '.join(named) or 'none'}")
    session.chosen = name or session.chosen
    here = session.cluster
    write(Result(f"{next(n for n, c in named.items() if c is here)}: {here!r}"))


def _bare(session: Session, line: str) -> None:
    """A bare command line: kubectl, or a tool at the place of the last ``%%node`` or ``%%pod``."""
    if line.split(None, 1)[0] == "kubectl":
        write(session.kubectl(_bare_words(line)))
        return
    place = session.place or f"node:{session.cluster.settings.nodes[0][0]}"
    result = session.run(place, line)
    write(Result(f"{place.removeprefix('node:')}$ {line}\n{result.stdout}", result.stderr, result.exit_code))


def _each(commands: list[str], run: Callable[[str], Result]) -> None:
    for command in commands:
        result = run(_bare_words(command))
        title = f"$ {command}\n" if len(commands) > 1 else ""
        write(Result(title + result.stdout, result.stderr, result.exit_code))


def _bare_words(command: str) -> str:
    """The command without a ``kubectl`` in front: inside ``%%kubectl`` it may be left out or written."""
    return command.strip().removeprefix("kubectl ").strip()


def _lines(cell: str) -> list[str]:
    """The command lines of a cell: continued lines joined, comments and empty lines gone."""
    joined = cell.replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip() and not line.strip().startswith("#")]


class _Arguments(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Refused(f"{self.prog}: {message}")


def _arguments(name: str, line: str, option: tuple[str, str]) -> argparse.Namespace:
    parser = _Arguments(prog=name, add_help=False)
    parser.add_argument(*option, default="")
    return parser.parse_args(shlex.split(line))


def _keep_kubectl_here(shell: Any, session: Session) -> None:
    """``!kubectl …`` and ``x = !kubectl …`` are answered by the cluster; every other command is the computer's."""
    shell.system = _Kept(shell, session, shell.system, write)
    shell.getoutput = _Kept(shell, session, shell.getoutput, _listed)


class _Kept:
    """IPython's own function for ``!``, except for kubectl.

    IPython expands ``{x}`` in a command from its caller's variables: so this has none that a learner might use.
    """

    def __init__(
        self, shell: Any, session: Session, otherwise: Callable[..., Any], show: Callable[[Result], Any]
    ) -> None:
        self.shell, self.session, self.otherwise, self.show = shell, session, otherwise, show

    def __call__(self, _command: str, *_rest: Any, **_options: Any) -> Any:
        if not _is_kubectl(_command.strip()):
            return self.otherwise(_command, *_rest, **_options)
        return self._kubectl(self.shell.var_expand(_command, depth=1).strip())

    def _kubectl(self, command: str) -> Any:
        result = self.session.kubectl(command.removeprefix("kubectl").strip())
        self.shell.user_ns["_exit_code"] = result.exit_code
        return self.show(result)


def _is_kubectl(command: str) -> bool:
    return command == "kubectl" or command.startswith("kubectl ")


def _listed(result: Result) -> Any:
    from IPython.utils.text import SList

    return SList((result.stdout + result.stderr).splitlines())
