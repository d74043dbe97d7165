"""A real executable as a plugin: any program that speaks CNI on standard input, called for real (Linux, as root).

Each node that calls it has a real machine behind it: network namespaces of this kernel in a mount namespace of their
own, which go with this Python process. The program runs there with the variables and the configuration that a plugin
is told. Its result is the plugin's result, and what it changed in the kernel (links, addresses, routes, rules,
forwarding) is done again on the cluster's node as commands: those are journalled, so a replay needs no executable.

Left out: links that are neither a veth pair nor a bridge, nftables, traffic control, and files: each machine keeps its
own leases and knows nothing of the cluster's. Two executables do not share their machines, so a chain of them (bridge
and portmap) does not find what the other did.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from k8slearn.errors import Refused

if TYPE_CHECKING:
    from k8slearn.shell.learned import Machine

FOLDERS = "/usr/lib/cni:/opt/cni/bin"
TOOLS = ("unshare", "nsenter", "ip", "sysctl", "iptables-save")
START = (
    "mount -t tmpfs none /run && mkdir -p /run/netns /run/lock && mount -t tmpfs none /var/lib && "
    "mount -t sysfs none /sys && ip link set lo up && echo ready; exec cat >/dev/null"
)
"""It ends when its standard input does: with this process, however that ends."""
LOOK = (
    "ip -d -j link",
    "ip -j addr",
    "ip -j route",
    "ip -6 -j route",
    "iptables-save",
    "sysctl -n net.ipv4.ip_forward",
)
MARK = "--look--"
LONGEST = 60.0
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is in one namespace: links, addresses and routes by what they are, and the lines of its rules."""

    links: Mapping[str, Row] = field(default_factory=dict)
    addresses: frozenset[tuple[str, str, str]] = frozenset()
    """(device, CIDR, broadcast)."""
    routes: frozenset[tuple[str, str]] = frozenset()
    """(family, words of ``ip route add``)."""
    rules: tuple[str, ...] = ()
    forwards: str = "0"


class Real:
    """A real machine behind a node of the cluster."""

    def __init__(self) -> None:
        namespaces = ["unshare", "-m", "-n", "-u", "--propagation", "private", "sh", "-c", START]
        self.process = subprocess.Popen(namespaces, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        weakref.finalize(self, self.process.kill)
        assert self.process.stdout is not None
        if self.process.stdout.readline() != "ready\n":
            raise Refused("this kernel gives no namespaces of one's own here: a container without CAP_SYS_ADMIN?")

    def run(self, words: Sequence[str], stdin: str = "", env: Mapping[str, str] | None = None) -> Any:
        inside = ["nsenter", "-t", str(self.process.pid), "-m", "-n", "-u", *words]
        told = {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), **(env or {})}
        return subprocess.run(
            inside, input=stdin, env=told, capture_output=True, text=True, timeout=LONGEST, check=False
        )

    def seen(self, netns: str = "") -> Seen:
        """The state of a namespace (empty: the machine's own)."""
        inside = ["ip", "netns", "exec", netns] if netns else []
        said = self.run([*inside, "sh", "-c", f"; echo {MARK}; ".join(LOOK)]).stdout.split(f"{MARK}\n")
        if len(said) < len(LOOK):
            return Seen()
        links, addresses, four, six = (json.loads(text or "[]") for text in said[:4])
        found = [(row["ifname"], a) for row in addresses if row for a in row.get("addr_info", ()) if a]
        return Seen(
            {row["ifname"]: row for row in links if row["ifname"] != "lo"},
            frozenset(
                (dev, f"{a['local']}/{a['prefixlen']}", a.get("broadcast", ""))
                for dev, a in found
                if dev != "lo" and a["scope"] != "link"
            ),
            frozenset((family, _route(r)) for family, rows in (("-4", four), ("-6", six)) for r in rows if _said(r)),
            tuple(_rules(said[4].splitlines())),
            said[5].strip(),
        )


def _said(row: Row) -> bool:
    """A route that somebody set, and not the kernel by itself."""
    return row.get("protocol") not in ("kernel", "ra")


def _route(row: Row) -> str:
    words = [str(row["dst"])]
    for name, said in (("via", "gateway"), ("dev", "dev"), ("src", "prefsrc"), ("metric", "metric")):
        words += [name, str(row[said])] if said in row and not (name == "metric" and row[said] == 1024) else []
    return " ".join([*words, *row.get("flags", ())]).replace(" linkdown", "")


def _rules(lines: Sequence[str]) -> Iterator[str]:
    """``TABLE :CHAIN - `` and ``TABLE -A CHAIN ...``, without counters; built-in chains are there anyway."""
    table = ""
    for line in lines:
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(":") and line.split()[1] == "-":
            yield f"{table} {line.split()[0]}"
        elif line.startswith("-A"):
            yield f"{table} {line}"


class Executable:
    """A plugin that is a file: ``install_plugin("mine", "/usr/local/bin/mine")``. Raises Refused where it cannot be."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).resolve()
        if not (self.path.is_file() and os.access(self.path, os.X_OK)):
            raise Refused(f"{path} is no executable file")
        missing = [tool for tool in TOOLS if shutil.which(tool) is None]
        if missing or not hasattr(os, "geteuid") or os.geteuid() != 0:
            why = f"{', '.join(missing)} is missing" if missing else "this Python does not run as root"
            raise Refused(f"an executable is called for real, on Linux and as root: {why}; give a function instead")
        self.machines: dict[str, Real] = {}

    def __call__(self, command: str, config: dict[str, Any], environ: dict[str, str], node: Machine) -> Any:
        real = self.machines.get(node.name) or Real()
        self.machines[node.name] = real
        netns = environ.get("CNI_NETNS", "").rpartition("/")[2]
        if netns and real.run(["ip", "netns", "add", netns]).returncode == 0 and command != "ADD":
            real.run(["ip", "netns", "del", netns])
        before = (real.seen(), real.seen(netns) if netns else Seen())
        env = {**environ, "CNI_PATH": f"{self.path.parent}:{FOLDERS}"}
        done = real.run([str(self.path)], json.dumps(config), env)
        after = (real.seen(), real.seen(netns) if netns else Seen())
        for line, stdin in _changes(before, after, netns):
            said = node.run(line, stdin)
            if said.exit_code:
                raise Refused(f"what {self.path.name} did cannot be done again here: {line}: {said.stderr.strip()}")
        if done.returncode and not done.stdout.strip():
            raise Refused(f"{self.path} failed with status {done.returncode}: {done.stderr.strip()[:200]}")
        return json.loads(done.stdout) if done.stdout.strip() else None


Lines = Iterator[tuple[str, str]]
"""Commands of the node, each with its standard input."""


def _changes(before: tuple[Seen, Seen], after: tuple[Seen, Seen], netns: str) -> Lines:
    """The commands that make of the one state the other: on the machine, and in the pod."""
    places = ("", f"ip netns exec {netns} ")
    for at in (0, 1):
        for name in before[at].links.keys() - after[at].links.keys():
            if at == 0 or not _peer(before[0], before[1].links[name]):
                yield f"{places[at]}ip link del {name}", ""
    yield from _new_links(before, after, netns)
    for place, old, new in zip(places, before, after, strict=True):
        for name, row in new.links.items():
            yield from _link(place, old.links.get(name, {}), row)
        for dev, cidr, broadcast in sorted(new.addresses - old.addresses):
            yield f"{place}ip addr add {cidr} {f'brd {broadcast} ' if broadcast else ''}dev {dev}", ""
        for family, words in sorted(new.routes - old.routes):
            yield f"{place}ip {family} route add {words}", ""
        if new.forwards != old.forwards:
            yield f"{place}sysctl -w net.ipv4.ip_forward={new.forwards}", ""
        yield from _new_rules(place, old.rules, new.rules)


def _peer(machine: Seen, row: Row) -> str:
    """The machine's end of a pod's cable."""
    ends = (r for r in machine.links.values() if r.get("link_index") == row["ifindex"] and "link_netnsid" in r)
    return next((end["ifname"] for end in ends if end["ifindex"] == row.get("link_index")), "")


def _new_links(before: tuple[Seen, Seen], after: tuple[Seen, Seen], netns: str) -> Lines:
    made = set()
    for name in sorted(after[1].links.keys() - before[1].links.keys()):
        row = after[1].links[name]
        host = _peer(after[0], row)
        if not host:
            raise Refused(f"{name} in the pod is no end of a veth pair: only those are done again here")
        made.add(host)
        far = after[0].links[host]
        ends = f"{host} address {far['address']} type veth peer name {name} netns {netns} address {row['address']}"
        yield f"ip link add {ends}", ""
    for name in sorted(after[0].links.keys() - before[0].links.keys() - made):
        kind = after[0].links[name].get("linkinfo", {}).get("info_kind")
        if kind != "bridge":
            raise Refused(f"{name} is of the kind {kind}: only veth pairs and bridges are done again here")
        yield f"ip link add {name} type bridge", ""


def _link(place: str, old: Row, row: Row) -> Lines:
    """What of a link is not as it was."""
    name = row["ifname"]
    for word in ("mtu", "master"):
        if row.get(word) != old.get(word, 1500 if word == "mtu" else None):
            yield f"{place}ip link set {name} {word} {row[word]}" if word in row else f"ip link set {name} nomaster", ""
    if row.get("linkinfo", {}).get("info_slave_data", {}).get("hairpin") and not old:
        yield f"bridge link set dev {name} hairpin on", ""
    for flag, word in (("UP", "up"), ("PROMISC", "promisc on")):
        if flag in row["flags"] and flag not in old.get("flags", ()):
            yield f"{place}ip link set {name} {word}", ""


def _new_rules(place: str, old: tuple[str, ...], new: tuple[str, ...]) -> Lines:
    """One ``iptables-restore`` for what came and what went."""
    came = [rule for rule in new if rule not in old]
    gone = [rule for rule in old if rule not in new]
    for table in dict.fromkeys(rule.split(" ", 1)[0] for rule in (*came, *gone)):
        own = [[r.split(" ", 1)[1] for r in rules if r.startswith(f"{table} ")] for rules in (came, gone)]
        lines = [f"{rule} - [0:0]" if rule.startswith(":") else rule for rule in own[0]]
        lines += [f"-D{rule[2:]}" for rule in own[1] if rule.startswith("-A")]
        lines += [f"-X {rule[1:]}" for rule in own[1] if rule.startswith(":")]
        yield f"{place}iptables-restore --noflush", "\n".join([f"*{table}", *lines, "COMMIT", ""])
