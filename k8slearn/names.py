"""What a name is, seen from one place: /etc/hosts, /etc/resolv.conf, and the queries that follow.

A container has its own two files: the kubelet wrote them (`components/kubelet/dns.py`). A machine has what its
administrator wrote there, or what it was told with its address (DHCP): the name server 203.0.113.53, somewhere outside.
That one knows a few names of the world, `SITES`, and is there as soon as somebody could ask it.

Left out: which address a program tries next when the first one fails; name servers of organisations on the node
network (a topology's own machines have no names in DNS).
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

from k8slearn import dns, ground
from k8slearn.cni import cri
from k8slearn.cni.cri import Sandbox
from k8slearn.components.kubelet import dns as kubelet_dns
from k8slearn.components.kubelet.pod import find
from k8slearn.errors import Refused
from k8slearn.journal import Command, Commands, Put, Table, World
from k8slearn.linux import fib, ip, nameserver, resolver
from k8slearn.linux.attempt import CAPTURED
from k8slearn.linux.listen import speaks_ipv6
from k8slearn.linux.resolver import BOTH, FILE, NAME_SERVER, Lookup
from k8slearn.linux.rows import Socket
from k8slearn.trace import Frame

HOSTS = "/etc/hosts"
SERVERS = ("coredns", "node-cache")
"""The programs that may ask the name server outside."""
SITES = {
    "example.com.": "203.0.113.80",
    "www.example.com.": "203.0.113.80",
    "example.org.": "203.0.113.81",
    "www.example.org.": "203.0.113.81",
    "kubernetes.io.": "203.0.113.82",
    "google.com.": "203.0.113.83",
    "www.google.com.": "203.0.113.83",
    "github.com.": "203.0.113.84",
}
"""The names of the world outside, all on addresses that are reserved for examples (RFC 5737)."""
TTL = 300


@dataclass(frozen=True, slots=True)
class Outside:
    """The function behind the sockets of the name server outside: it knows `SITES`, and nothing else exists."""

    name: str = NAME_SERVER

    def __call__(self, net: Any, netns: str, packet: Any, request: str) -> str | None:
        asked = dns.decode(request)
        return None if asked is None else dns.encode(answer(asked))


def answer(asked: dns.Message) -> dns.Message:
    """What the name server outside says."""
    address = SITES.get(asked.name.lower(), "")
    exists = address or any(dns.is_within(name, asked.name) for name in SITES)
    found = (dns.Record(asked.name, "A", TTL, address),) if address and asked.type == "A" else ()
    soa = dns.Record(".", "SOA", 900, "a.root-servers.net. nstld.verisign-grs.com. 2026010100 1800 900 604800 900")
    told = asked.reply("NOERROR" if exists else "NXDOMAIN", found, () if found else (soa,))
    return replace(told, recursion_desired=asked.recursion_desired, recursion_available=True)


def ensure_outside(world: World) -> Commands:
    """The name server outside is plugged in, unless it is there or its address is somebody else's."""
    scope = ground.outside(NAME_SERVER)
    if world.get((scope, "netns", "")) is not None or world.get(ground.SETTINGS) is None:
        return
    try:
        yield from ground.ensure_outside(world, NAME_SERVER)
    except Refused:
        return
    own = "::" if speaks_ipv6(world, scope) else "0.0.0.0"
    for proto in ("udp", "tcp"):
        row = Socket(proto, own, resolver.PORT, "named", scope, NAME_SERVER)
        yield Put((scope, "socket", (proto, own, resolver.PORT)), row)
    yield Put((scope, nameserver.TABLE, resolver.PORT), Outside())


def box_at(world: World, scope: str) -> Sandbox | None:
    """The sandbox whose network namespace this is; None: it is no pod's own."""
    found: Sandbox | None = world.table(scope.partition("/")[0], "sandbox").index(_by_netns).get(scope)
    return found


def _by_netns(boxes: Table) -> dict[str, Sandbox]:
    return {box.netns: box for box in boxes.values() if not box.host_network}


def box_of(world: World, pod: str, scope: str) -> Sandbox | None:
    """The sandbox of a pod (``namespace/name``) that sends from this scope, if `pod` is one."""
    boxes = cri.sandboxes(world, scope.partition("/")[0], pod)
    return next((box for box in reversed(boxes) if box.netns == scope), None) or box_at(world, scope)


def resolv_conf(world: World, scope: str, box: Sandbox | None) -> str:
    """The /etc/resolv.conf that a program sees there; `box`: the pod that it runs in."""
    own = world.get((scope, "file", FILE)) if box is None or not box.host_network else None
    if own is not None:
        return str(own)
    if box is not None and box.resolv_conf:
        return box.resolv_conf
    netns = world.get((scope, "netns", ""))
    machine = netns.machine if netns is not None and netns.machine else scope
    dhcp = world.get(ground.SETTINGS) is not None
    return resolver.of_machine(world, machine) if dhcp else str(world.get((machine, "file", FILE)) or "")


def hosts(world: World, scope: str, box: Sandbox | None) -> str:
    """The /etc/hosts that a program sees there."""
    own = world.get((scope, "file", HOSTS)) if box is None or not box.host_network else None
    if own is not None or box is None:
        return str(own or "")
    pods = [pod for pod in find(world, box.pod) if pod.uid == box.uid]
    return "".join(f"{line}\n" for line in kubelet_dns.hosts(pods[0], box.ip)) if pods else ""


def files(world: World, scope: str, box: Sandbox | None) -> dict[str, str]:
    """The files about names that are there though nobody wrote them as rows: path -> text."""
    found = {FILE: resolv_conf(world, scope, box), HOSTS: hosts(world, scope, box)}
    return {path: text for path, text in found.items() if text}


def config(world: World, scope: str, box: Sandbox | None, image: str = "") -> resolver.Config:
    """How the C library there resolves; Alpine's is musl."""
    found = resolver.parse(resolv_conf(world, scope, box))
    return found._replace(musl="alpine" in (image or _image(world, box)))


def _image(world: World, box: Sandbox | None) -> str:
    pod = world.get(("api", "pods", box.pod)) if box is not None else None
    return str(pod["spec"]["containers"][0].get("image", "")) if pod is not None else ""


def lookup(
    world: World,
    scope: str,
    name: str,
    box: Sandbox | None = None,
    kinds: tuple[str, ...] = BOTH,
    recording: bool = False,
    image: str = "",
) -> Generator[Command, None, Lookup]:
    """Resolve a name as a program there would; its addresses come in the order in which they are tried."""
    how = config(world, scope, box, image)
    known = resolver.of_hosts(hosts(world, scope, box), name)
    if known:
        return Lookup(name, how, addresses=tuple(known), canonical=name, source="files")
    yield from prepare(world, how)
    found = yield from resolver.lookup(world, scope, how, name, kinds, recording)
    yield from reach(world, found.addresses)
    if recording:
        yield Put(CAPTURED, frames(found))
    if not set(kinds) <= set(BOTH):
        return found
    return found._replace(addresses=tuple(sorted(found.addresses, key=lambda a: _rank(world, scope, a, how.musl))))


def prepare(world: World, how: resolver.Config) -> Commands:
    """Before anybody asks: the name server outside is there, if it could be asked."""
    serving = any(cri.runs(world, node, name) for node in world.scopes("container") for name in SERVERS)
    if NAME_SERVER in how.nameservers or serving:
        yield from ensure_outside(world)


def reach(world: World, addresses: tuple[str, ...]) -> Commands:
    """The sites outside are there as soon as somebody knows their address."""
    for address in addresses:
        if address in SITES.values():
            yield from ground.ensure_outside(world, address)


def frames(found: Lookup) -> tuple[Frame, ...]:
    """What captures saw of the lookup."""
    return tuple(frame for sent in found.queries for frame in sent.attempt.frames)


def _rank(world: World, scope: str, address: str, musl: bool) -> tuple[bool, int]:
    """RFC 6724 in short: what cannot be reached comes last; then IPv6, but for musl a unique local one (ULA)."""
    six = ":" in address
    found = fib.lookup(world, scope, address) if not six or speaks_ipv6(world, scope) else None
    usable = found is not None and found.route is not None and fib.source_for(world, scope, found, address) != ""
    return not usable, 1 if not six else 2 if musl and ip.within(address, "fc00::/7") else 0
