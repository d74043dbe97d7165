"""``ip netns``: network namespaces with a name on this machine.

``ip netns add x`` makes the file /run/netns/x, which stands for the namespace; ``ip netns exec x COMMAND`` runs a
command in it, with the machine's files. A container's own namespace has such a file too (``cni-...``), put there by
the runtime.

Left out: ``attach``, ``set``, ``identify``, ``pids``, ``monitor``, and files under /etc/netns.
"""

from __future__ import annotations

from dataclasses import replace

from k8slearn.errors import CommandError
from k8slearn.linux import netns
from k8slearn.linux.program import Result, Running
from k8slearn.shell.ip_link import netns_ids
from k8slearn.shell.iproute import Fields, Options, Words, answer
from k8slearn.shell.process import Process, execute
from k8slearn.shell.wrappers import named_netns


def _name(words: Words) -> str:
    if not words:
        raise CommandError("No netns name specified\n", 1)
    return words.take()


def _machine(process: Process) -> str:
    if not process.on_machine:
        raise CommandError("mkdir /run/netns failed: Read-only file system\n", 1)
    return process.machine


def show(process: Process, options: Options, words: Words) -> Running:
    """``ip netns [list]``: the names, and the number by which this namespace knows them."""
    yield from ()
    ids = netns_ids(process.world, process.netns)
    rows: list[Fields] = []
    for scope in process.world.scopes("netns"):
        if process.on_machine and scope.startswith(f"{process.machine}/"):
            row: Fields = {"name": scope.partition("/")[2]}
            rows.append(row | ({"id": ids[scope]} if scope in ids else {}))
    return answer(options, rows, _text)


def _text(row: Fields) -> str:
    return f"{row['name']} (id: {row['id']})\n" if "id" in row else f"{row['name']}\n"


def add(process: Process, options: Options, words: Words) -> Running:
    """``ip netns add NAME``."""
    name = _name(words)
    if "/" in name or name in (".", ".."):
        raise CommandError(f'Invalid netns name "{name}"\n', 255)
    yield from netns.add(process.world, _machine(process), name)
    return Result()


def delete(process: Process, options: Options, words: Words) -> Running:
    """``ip netns del NAME``."""
    yield from netns.delete(process.world, _machine(process), _name(words))
    return Result()


def run_in(process: Process, options: Options, words: Words) -> Running:
    """``ip netns exec NAME COMMAND...``."""
    name = _name(words)
    if not words:
        raise CommandError("No command specified\n", 1)
    scope = named_netns(process, name)
    if scope is None:
        raise CommandError(f'Cannot open network namespace "{name}": No such file or directory\n', 255)
    result = yield from execute(replace(process, netns=scope), words.left)
    if result.exit_code == 127 and result.stderr.startswith("sh: 1: "):
        return Result("", f'exec of "{words.left[0]}" failed: No such file or directory\n', 255)
    return result


COMMANDS = {"list": show, "show": show, "lst": show, "add": add, "delete": delete, "exec": run_in}
