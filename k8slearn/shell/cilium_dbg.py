"""``cilium-dbg``: the agent's own view of its node, and the maps of the programs as they are in the kernel.

::

    what the agent knows   status, endpoint list, identity list, service list, encrypt status
    what the kernel has    bpf ipcache list | get IP, bpf endpoint list, bpf lb list, bpf policy get ID | --all

The first ask the agent by its socket: where it does not run they fail. The second read pinned maps. In life the tool is
in the agent's container (``kubectl -n kube-system exec ds/cilium -- cilium-dbg status``); a node has it here too.

Sources: cilium-dbg/cmd (columns and order of each list), pkg/maps/{lxcmap,ipcache}, pkg/loadbalancer.

Left out: JSON output, ``monitor``, ``bpf ct|nat``, ``policy get``, changing anything; ``bpf tunnel``, which
went with the tunnel's map in 1.18 (its rows are the ipcache's).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from k8slearn.cni.cilium import agent, identity, maps, policy
from k8slearn.cni.cilium.maps import EXTERNAL, Frontend, Service
from k8slearn.errors import CommandError
from k8slearn.journal import World
from k8slearn.linux import ip
from k8slearn.linux.program import Result, Running
from k8slearn.shell import cilium_status
from k8slearn.shell.kubectl.tabs import aligned
from k8slearn.shell.process import Process

NO_AGENT = (
    f'Get "http://localhost/v1/{{path}}": dial unix {agent.SOCKET}: connect: no such file or directory\n'
    "Is the agent running?\n"
)
USAGE = "Usage:\n  cilium-dbg [command]\n\nAvailable Commands:\n"
TUNNEL = "Error: unknown command: the tunnel's map went in 1.18; its rows are in `cilium-dbg bpf ipcache list`\n"


def program(process: Process) -> Running:
    """Run ``cilium-dbg``."""
    yield from ()
    if process.netns != process.machine or not process.machine.startswith("node:"):
        return Result("", "sh: 1: cilium-dbg: not found\n", 127)
    words = tuple(word for word in process.argv if not word.startswith("-"))
    if words[:2] == ("bpf", "tunnel"):
        raise CommandError(TUNNEL, 1)
    for names, (path, told) in COMMANDS.items():
        if words[: len(names)] == names:
            if path and not agent.answers(process.world, process.machine):
                raise CommandError(f"Error: {NO_AGENT.format(path=path)}", 1)
            return Result(told(process, words[len(names) :]))
    return Result(USAGE + "".join(f"  {' '.join(names)}\n" for names in COMMANDS), "", 0 if not words else 1)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Every cell ends with a tab, the last one too."""
    return aligned(["\t".join((*row, "")) for row in (heads, *rows)], 5, 3)


def _status(process: Process, words: Sequence[str]) -> str:
    if "--brief" in process.argv:
        return "OK\n"
    return cilium_status.text(process.world, process.machine, "--verbose" in process.argv)


def _encryption(process: Process, words: Sequence[str]) -> str:
    found = cilium_status.wireguard(process.world, process.machine)
    if found is None:
        return f"Encryption: {'Disabled':<26}\n"
    device, key, peers = found
    return f"Encryption: {'Wireguard':<26}\nInterface: {device}\n\tPublic key: {key}\n\tNumber of peers: {peers}\n"


# --- what the agent knows ----------------------------------------------------------------------


def _endpoints(process: Process, words: Sequence[str]) -> str:
    world, node = process.world, process.machine
    heads = ("ENDPOINT", "POLICY (ingress)", "POLICY (egress)", "IDENTITY", "LABELS (source:key[=value])")
    under = ("", "ENFORCEMENT", "ENFORCEMENT", *[""] * 5)
    rows: list[tuple[str, ...]] = []
    for number, identity_id, address, state in _known(world, node):
        first, *more = _labels(world, node, identity_id)
        rows.append((number, *_enforced(world, node, int(number)), str(identity_id), first, "", address, state))
        rows += [("", "", "", "", label, "", "", "") for label in more]
    return _table((*heads, "IPv6", "IPv4", "STATUS"), (under, *rows))


def _enforced(world: World, node: str, number: int) -> Iterator[str]:
    """Of both directions: does a policy isolate the endpoint?"""
    for direction in (policy.INGRESS, policy.EGRESS):
        yield "Enabled" if policy.isolates(world.table(node, maps.POLICY), number, direction) else "Disabled"


def _known(world: World, node: str) -> list[tuple[str, int, str, str]]:
    rows = [(str(row.id), row.identity, row.address, row.state) for row in agent.endpoints(world, node)]
    return sorted([*rows, (str(agent.HOST_ID), identity.HOST, "", "ready")], key=lambda row: int(row[0]))


def _labels(world: World, node: str, number: int) -> list[str]:
    """The host's endpoint has its Node's own labels."""
    if number != identity.HOST:
        return list(identity.labels_of(world, number))
    row = world.get(("api", "nodes", node.removeprefix("node:"))) or {"metadata": {}}
    own = (f"k8s:{n}={v}" if v else f"k8s:{n}" for n, v in (row["metadata"].get("labels") or {}).items())
    return sorted([*(label for label in own if label.startswith("k8s:node")), "reserved:host"])


def _identities(process: Process, words: Sequence[str]) -> str:
    world = process.world
    known = sorted(int(str(name)) for name in world.table("api", identity.IDENTITIES))
    lines = ["ID\tLABELS"]
    for number in (*list(identity.NAMES)[1:], *known):
        first, *more = identity.labels_of(world, number)
        more += ["reserved:remote-node"] * (number == identity.KUBE_APISERVER)
        lines += [f"{number}\t{first}", *(f"\t{label}" for label in more)]
    return aligned(lines, 5, 3)


def _services(process: Process, words: Sequence[str]) -> str:
    lines = ["Frontend\tService Type\tBackend\t"]
    for front, row in _frontends(process.world, process.machine):
        told = [
            f"{n} => {backend.address}:{backend.port}/{backend.proto.upper()} ({backend.state})"
            for n, backend in enumerate(_backends(process.world, process.machine, front, row.count), 1)
        ]
        name = f"{front.address}:{front.port}/{front.proto.upper()}" + ("/i" if front.scope != EXTERNAL else "")
        lines += [f"{name}\t{row.kind}\t{told[0] if told else ''}\t", *(f"\t\t{more}\t" for more in told[1:])]
    return aligned(lines, 5, 3)


# --- what the kernel has -----------------------------------------------------------------------


def _frontends(world: World, node: str) -> list[tuple[Frontend, Service]]:
    rows = [(front, row) for front, row in world.table(node, maps.SERVICES).items() if isinstance(front, Frontend)]
    return sorted(((front, row) for front, row in rows if not front.slot), key=lambda row: str(row[0]))


def _backends(world: World, node: str, front: Frontend, count: int) -> list[maps.Backend]:
    slots = (world.get((node, maps.SERVICES, front._replace(slot=slot))) for slot in range(1, count + 1))
    found = (world.get((node, maps.BACKENDS, str(slot.backend))) for slot in slots if slot is not None)
    return [backend for backend in found if backend is not None]


def _lb(process: Process, words: Sequence[str]) -> str:
    world, node = process.world, process.machine
    if "--backends" in process.argv:
        found = sorted(world.table(node, maps.BACKENDS).items(), key=lambda row: int(str(row[0])))
        rows = [(str(number), f"{row.proto.upper()}://{row.address}") for number, row in found]
        return _table(("ID", "BACKEND ADDRESS (REVNAT_ID) (SLOT)"), rows)
    lines: list[tuple[str, str]] = []
    for front, row in _frontends(world, node):
        flags = ", ".join((row.kind, *row.flags))
        lines.append((str(front), f"0.0.0.0:0 ({row.rev_nat}) (0) [{flags}] "))
        for slot, backend in enumerate(_backends(world, node, front, row.count), 1):
            told = f"{backend.address}:{backend.port}/{backend.proto.upper()} ({row.rev_nat}) ({slot})"
            lines.append((str(front._replace(slot=slot)), told))
    return _table(("SERVICE ADDRESS", "BACKEND ADDRESS (REVNAT_ID) (SLOT)"), lines)


def _ipcache(process: Process, words: Sequence[str]) -> str:
    rows = process.world.table(process.machine, maps.IPCACHE)
    return _table(("IP PREFIX/ADDRESS", "IDENTITY"), [(str(name), str(rows[name])) for name in sorted(rows, key=str)])


def _of_address(process: Process, words: Sequence[str]) -> str:
    try:
        found = maps.remote(process.world, process.machine, ip.canonical(words[0])) if words else None
    except ValueError:
        raise CommandError(f"Error: invalid IP address: {words[0]}\n", 1) from None
    if not words:
        raise CommandError("Error: ip address to lookup is missing\n", 1)
    return f"{words[0]} maps to identity {found[1]}\n" if found is not None else f"{words[0]} is not in the map\n"


def _here(process: Process, words: Sequence[str]) -> str:
    rows = process.world.table(process.machine, maps.LXC)
    told = [(f"{name}:0", str(rows[name])) for name in sorted(rows, key=str)]
    return _table(("IP ADDRESS", "LOCAL ENDPOINT INFO"), told)


def _policies(process: Process, words: Sequence[str]) -> str:
    """The rows of one endpoint, or of all; ``-n`` leaves identities as numbers."""
    world, node = process.world, process.machine
    table: dict[int, list[tuple[policy.PolicyKey, policy.PolicyEntry]]] = {}
    for key, row in world.table(node, maps.POLICY).items():
        assert isinstance(key, policy.PolicyKey)
        table.setdefault(key.endpoint, []).append((key, row))
    if "--all" in process.argv:
        pages = (f"Endpoint ID: {n}\nPath: {_path(n)}\n\n{_policy(process, table[n])}\n\n" for n in sorted(table))
        return "".join(pages) or "no maps found\n"
    if not words or not words[0].isdecimal():
        raise CommandError("Error: Need an endpoint ID: see `cilium-dbg endpoint list`\n", 1)
    if int(words[0]) not in table:
        raise CommandError(f"Failed to open map: no such file or directory: {_path(int(words[0]))}\n", 1)
    return _policy(process, table[int(words[0])])


def _path(number: int) -> str:
    return f"/sys/fs/bpf/tc/globals/cilium_policy_v2_{number:05}"


def _policy(process: Process, rows: list[tuple[policy.PolicyKey, policy.PolicyEntry]]) -> str:
    numeric = "-n" in process.argv or "--numeric" in process.argv
    told: list[tuple[str, ...]] = []
    for key, _ in sorted(rows, key=lambda row: (row[0].direction == policy.EGRESS, row[0])):
        first, *more = [str(key.identity)] if numeric else _who(process, key.identity)
        bits = key.bits + 8 if key.protocol else 0
        port = (key.port_text, "NONE", "disabled", "0", "0", str(bits), "0")
        told.append(("Allow", key.direction.capitalize(), first, *port))
        told += [("", "", label, *[""] * len(port)) for label in more]
    heads = ("PORT/PROTO", "PROXY PORT", "AUTH TYPE", "BYTES", "PACKETS", "PREFIX", "COOKIE")
    return _table(("POLICY", "DIRECTION", "IDENTITY" if numeric else "LABELS (source:key[=value])", *heads), told)


def _who(process: Process, number: int) -> list[str]:
    """An identity's labels; a network's is the network."""
    if number == policy.ANYBODY:
        return ["ANY"]
    rows = process.world.table(process.machine, maps.IPCACHE).items()
    networks = [f"cidr:{cidr}" for cidr, row in rows if number > identity.LOCAL and row.identity == number]
    return (
        [*networks, "reserved:world"] if networks else list(identity.labels_of(process.world, number)) or [str(number)]
    )


Told = Callable[[Process, Sequence[str]], str]
COMMANDS: Mapping[tuple[str, ...], tuple[str, Told]] = {
    ("status",): ("healthz", _status),
    ("endpoint", "list"): ("endpoint", _endpoints),
    ("identity", "list"): ("identity", _identities),
    ("service", "list"): ("service", _services),
    ("encrypt", "status"): ("healthz", _encryption),
    ("bpf", "ipcache", "list"): ("", _ipcache),
    ("bpf", "ipcache", "get"): ("", _of_address),
    ("bpf", "endpoint", "list"): ("", _here),
    ("bpf", "lb", "list"): ("", _lb),
    ("bpf", "policy", "get"): ("", _policies),
}
"""The words of a command -> the path of the agent's API that it asks (empty: it reads a map), and what it prints."""
