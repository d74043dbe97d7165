"""``cluster.export("netns")``: the cluster as a bash script that builds it out of real network namespaces.

A node *is* a Linux box and a pod *is* a network namespace, so the rows of the world are all that it takes: the
script makes a namespace for each scope and puts into it the same links, addresses, routes, settings and netfilter
rules, through the same tools that a person would use. What the real kernel then does with a packet is the truth
that the engine is held against.

Everything happens in namespaces whose names begin with a prefix of this cluster's own; nothing else on the machine
is touched.

Left out: what kernels have learned (connections, neighbours, a bridge's learned ports): a new cluster has forgotten
them. Containers are not run: whatever listens is one small Python process, and a reverse proxy's pod asks nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from importlib import resources
from typing import NamedTuple

from k8slearn.endpoints import resolve_source
from k8slearn.errors import Refused
from k8slearn.export import rules, vxlan
from k8slearn.export.script import CANNOT, SCRIPT
from k8slearn.journal import World, digest
from k8slearn.linux import inet6, ip, nft, route, rule, sysctl
from k8slearn.linux.rows import Address, Link, Route, Rule

KINDS = ("loopback", "veth", "bridge", "vxlan")
"""The kinds of link that a plain kernel has and this script makes."""

CALM = {
    "net.ipv4.icmp_ratelimit": "0",
    "net.ipv4.icmp_ratemask": "0",
    "net.ipv4.conf.*.send_redirects": "0",
    "net.ipv4.conf.*.accept_redirects": "0",
    "net.ipv4.conf.*.rp_filter": "0",
    "net.ipv4.conf.*.route_localnet": "0",
    "net.ipv4.conf.*.proxy_arp": "0",
    "net.ipv4.conf.*.arp_ignore": "0",
    "net.ipv4.conf.*.arp_announce": "0",
    "net.ipv4.conf.*.arp_filter": "0",
    "net.ipv4.conf.*.accept_local": "0",
    "net.ipv4.neigh.default.mcast_solicit": "3",
    "net.ipv4.neigh.default.retrans_time_ms": "1000",
    "net.ipv4.tcp_syn_linear_timeouts": "4",
    "net.bridge.bridge-nf-call-arptables": "0",
    "net.bridge.bridge-nf-call-ip6tables": "0",
    "net.netfilter.nf_conntrack_tcp_be_liberal": "0",
}
"""What the engine takes for granted and a machine may have otherwise: written first, where the kernel has it."""
MUTE = {"net.ipv6.conf.*.disable_ipv6": "1"}
"""The same where the machine's kernel speaks no IPv6."""
CALM6 = {
    "net.ipv6.conf.*.disable_ipv6": "0",
    "net.ipv6.conf.*.forwarding": "0",
    "net.ipv6.conf.*.accept_dad": "0",
    "net.ipv6.conf.*.accept_ra": "0",
    "net.ipv6.conf.*.accept_redirects": "0",
    "net.ipv6.conf.*.router_solicitations": "0",
    "net.ipv6.conf.*.addr_gen_mode": "1",
    "net.ipv6.icmp.ratelimit": "0",
    "net.ipv6.neigh.default.mcast_solicit": "3",
    "net.ipv6.neigh.default.retrans_time_ms": "1000",
}
"""The same where it does. No link makes an address of its MAC: the script writes those that there are."""

AUTHORS = {"cloud": "200"}
"""Words for who wrote a route that a machine's /etc/iproute2/rt_protos does not have: a number says as much there."""


class Place(NamedTuple):
    """One namespace: its scope in the world, and the name that ``ip netns`` gets."""

    scope: str
    netns: str


def netns_script(world: World) -> str:
    """The script: ``up``, ``down``, ``exec ENDPOINT COMMAND…`` and ``probe SOURCE IP PORT [TCP|UDP]``.

    It needs root, iproute2, python3 and the tools of the rules that there are (iptables, ipset, nft); it downloads
    nothing. For a wiring that a plain kernel cannot rebuild the script says so, and exits with 3.
    """
    scopes = world.scopes("netns")
    reason = next(_obstacles(world, scopes), "")
    if reason:
        return CANNOT.format(reason=_quoted(reason))
    prefix = f"k8s-{digest(*_fingerprint(world, scopes))}-"
    places = [Place(s, f"{prefix}{n:02d}-{_plain(world.get((s, 'netns', '')).name)}") for n, s in enumerate(scopes)]
    names = {place.scope: place.netns for place in places}
    endpoints = sorted(_endpoints(world, scopes).items())
    late = _settings(world, places, of_links=True)
    return SCRIPT.format(
        prefix=prefix,
        netns="\n".join(f"  {_quoted(p.netns)}" for p in places),
        endpoints="\n".join(f"  [{_quoted(e)}]={_quoted(names[scope])}" for e, scope in endpoints),
        agent=resources.files("k8slearn.export").joinpath("agent.py").read_text(encoding="utf-8"),
        namespaces=_heredoc("ip -batch -", "\n".join(f"netns add {p.netns}" for p in places)),
        settings=_heredoc("settings", _settings(world, places, of_links=False)),
        links="\n".join([_heredoc("ip -batch -", "\n".join(_links(world, names))), *_tunnels(world, places)]),
        late_settings=_heredoc("settings", late) if late else "",
        inside="\n".join(_inside(world, p) for p in places),
        listeners=_heredoc("listen", _listeners(world, places)),
    )


def _obstacles(world: World, scopes: Iterable[str]) -> Iterator[str]:
    for scope in scopes:
        for program in world.table(scope, "bpf").values():
            yield f"{scope} runs eBPF programs ({program.name}, ...), which this script cannot load"
        for link in world.table(scope, "link").values():
            if link.kind not in KINDS:
                yield f"{scope} has a {link.kind} device ({link.name}), which this script cannot rebuild"
            if link.kind == "veth" and (link.peer is None or world.get((link.peer[0], "link", link.peer[1])) is None):
                yield f"{scope}: nothing is at the other end of {link.name}"
            if link.kind == "vxlan" and link.home:
                yield f"{scope}: {link.name} was made in {link.home}, which this script cannot do"
        if world.table(scope, "ipvs"):
            yield f"{scope} has virtual servers of IPVS (ipvsadm -Ln), which many kernels are built without"
        for key in world.table(scope, "chain"):
            if isinstance(key, tuple) and key[0] not in rules.READERS:
                yield f"{scope} has {key[0]} rules, which this script cannot rebuild"


def _fingerprint(world: World, scopes: Iterable[str]) -> Iterator[str]:
    yield repr(world.get(("cluster", "settings", "")))
    for scope in scopes:
        for table in ("netns", *SHOWN, *sorted(nft.tables_of(world, scope))):
            rows = sorted(world.table(scope, table).items(), key=repr)
            yield repr((scope, table, rows))


SHOWN = ("link", "addr", "route", "rule", "neigh", "fdb", "vxfdb", "sysctl", "chain", "ipset", "ipset-member", "socket")
"""The tables that a script is made of."""


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() and c.isascii() else "-" for c in name)[:40]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _heredoc(command: str, text: str) -> str:
    """A command that reads this text, taken literally."""
    mark = f"END_{digest(text)}"
    return f"{command} <<'{mark}'\n{text}\n{mark}"


def _endpoints(world: World, scopes: Iterable[str]) -> dict[str, str]:
    """Every way to name a source -> its scope: addresses, scopes, pods, ``outside``."""
    found: dict[str, str] = {}
    for scope in scopes:
        own = sorted(a.address for a in world.table(scope, "addr").values() if not ip.is_loopback(a.address))
        found.update({address: scope for address in own if address not in found})
        found[scope] = found[world.get((scope, "netns", "")).name] = scope
    for endpoint in ("outside", *map(str, world.table("api", "pods"))):
        try:
            found[endpoint] = resolve_source(world, endpoint)
        except Refused:
            continue
    return found


# --- the parts, each as text for the tool that reads it --------------------------------------------


def _settings(world: World, places: Iterable[Place], of_links: bool) -> str:
    """Every sysctl, as sysctl.conf has them. Settings of single links wait until the links are there."""
    alike: dict[str, list[str]] = {}
    for scope, netns in places:
        usual = {name: value for name, value in sysctl.DEFAULTS.items() if name not in sysctl.CONNTRACK}
        written = {**usual, **{str(k): str(v) for k, v in world.table(scope, "sysctl").items()}}
        bridges = any(link.kind == "bridge" for link in world.table(scope, "link").values())
        calm = {**CALM, **(CALM6 if inet6.speaks(world, scope) else MUTE)}
        rows = [] if of_links else ["net.ipv4.ip_forward = 0", *(f"-{name} = {value}" for name, value in calm.items())]
        for name, value in written.items():
            if _is_of_link(name) == of_links:
                optional = "-" if name.startswith("net.bridge.") and not bridges else ""
                rows.append(f"{optional}{name} = {value}")
        if rows:
            alike.setdefault("\n".join(rows), []).append(netns)
    return "\n".join(f"in {' '.join(names)}\n{rows}" for rows, names in alike.items())


def _is_of_link(name: str) -> bool:
    words = name.split(".")
    return (
        words[0] == "net"
        and words[1] in ("ipv4", "ipv6")
        and words[2] in ("conf", "neigh")
        and words[3] not in ("all", "default", "lo")
    )


def _links(world: World, names: Mapping[str, str]) -> Iterator[str]:
    """One line for each bridge and each veth pair, both ends where they belong at once.

    Two ends with the same index would be taken for one link, whose news can wait (link_watch.c).
    """
    for scope, netns in names.items():
        for link in _in_order(world, scope):
            if link.kind == "bridge":
                yield f"link add {_end(link)} netns {netns} type bridge"
            elif link.peer is not None and (scope, link.name) < link.peer:
                far: Link = world.get((link.peer[0], "link", link.peer[1]))
                other = replace(far, index=far.index + (1000 if far.index == link.index else 0))
                yield f"link add {_end(link)} netns {netns} type veth peer {_end(other)} netns {names[link.peer[0]]}"


def _tunnels(world: World, places: Iterable[Place]) -> Iterator[str]:
    for scope, netns in places:
        lines = list(vxlan.links(world, scope))
        if lines:
            yield _heredoc(f"ip -n {netns} -batch -", "\n".join(lines))


def _end(link: Link) -> str:
    mac = f" address {link.mac}" if int(link.mac.replace(":", ""), 16) else ""
    return f"name {link.name}{mac} mtu {link.mtu} index {link.index}"


def _in_order(world: World, scope: str) -> list[Link]:
    return sorted(world.table(scope, "link").values(), key=lambda link: (link.index, link.name))


def _inside(world: World, place: Place) -> str:
    """What is set up from within one namespace: links, addresses, routes, neighbours, rules."""
    scope, netns = place
    lines = [line for part in _PARTS for line in part(world, scope)]
    blocks = [f"# {scope}", _heredoc(f"ip -n {netns} -batch -", "\n".join(lines))]
    fdb = [
        f"fdb replace {f.mac} dev {f.port} master {f.state}"
        for f in world.table(scope, "fdb").values()
        if f.state in ("permanent", "static")
    ]
    fdb += vxlan.forwarding(world, scope)
    fdb += [f"fdb add {mac} dev {row.name} self" for row in _in_order(world, scope) for mac in row.macs]
    if fdb:
        blocks.append(_heredoc(f"bridge -n {netns} -batch -", "\n".join(fdb)))
    for command, text in rules.texts(world, scope):
        blocks.append(_heredoc(f"ip netns exec {netns} {command}", text.rstrip("\n")))
    return "\n".join(blocks)


def _ports(world: World, scope: str) -> Iterator[str]:
    for link in _in_order(world, scope):
        if link.master:
            yield f"link set dev {link.name} master {link.master}"
            if link.hairpin:
                yield f"link set dev {link.name} type bridge_slave hairpin on"
            if link.port.proxy_arp:
                yield f"link set dev {link.name} type bridge_slave proxy_arp on"
        if link.promisc:
            yield f"link set dev {link.name} promisc on"


def _addresses(world: World, scope: str) -> Iterator[str]:
    for row in world.table(scope, "addr").values():
        more = " nodad" if ":" in row.address else f" broadcast {row.broadcast}" if row.broadcast else ""
        if row.address != "::1":
            yield f"addr add {row.address}/{row.prefix}{more} dev {row.dev} scope {row.scope}"


def _ups(world: World, scope: str) -> Iterator[str]:
    """A loopback that comes up is given 127.0.0.1 by the kernel, whatever else it has (devinet.c)."""
    for link in _in_order(world, scope):
        if link.up:
            yield f"link set dev {link.name} up"
            if link.kind == "loopback" and world.get((scope, "addr", (link.name, "127.0.0.1/8"))) is None:
                yield f"addr del 127.0.0.1/8 dev {link.name}"


def _routes(world: World, scope: str) -> Iterator[str]:
    """Connected routes come by themselves; what else there is comes after them; what somebody took away goes."""
    links = world.table(scope, "link")
    every: Iterable[Address] = world.table(scope, "addr").values()
    by_itself = [r for a in every if links[a.dev].up and (r := route.connected(a)) is not None]
    rows: list[Route] = [row for row in world.table(scope, "route").values() if row.kind != "multicast"]
    for row in sorted(rows, key=lambda r: bool(r.via)):
        if row not in by_itself:
            near = [r for r in (*by_itself, *rows) if not r.via and r.dev == row.dev and r.kind == "unicast"]
            lost = bool(row.via) and not any(ip.within(row.via, r.dst) for r in near)
            how = "add" if ":" in row.dst else "append"
            yield f"route {how} {_route(row, onlink=row.onlink or lost)}"
    for gone in by_itself:
        if gone not in rows:
            yield f"route del {_route(gone, onlink=False)}"


def _route(row: Route, onlink: bool) -> str:
    """A route as ``ip route`` takes it. One whose gateway is no neighbour any more is only let in as `onlink`."""
    if row.kind != "unicast":
        return f"{row.kind} {row.dst} proto {AUTHORS.get(row.proto, row.proto)} metric {row.metric} table {row.table}"
    words = {"via": row.via, "dev": row.dev, "src": row.src, "metric": str(row.metric or "")}
    given = " ".join(f"{word} {value}" for word, value in words.items() if value)
    scope = "" if ":" in row.dst else f" scope {row.scope}"
    end = " onlink" if onlink else ""
    return f"{row.dst} {given} proto {AUTHORS.get(row.proto, row.proto)}{scope} table {row.table}{end}"


def _said(row: Rule) -> str:
    return rule.text(replace(row, proto=AUTHORS.get(row.proto, row.proto)))


def _neighbours(world: World, scope: str) -> Iterator[str]:
    for row in world.table(scope, "neigh").values():
        if row.state == "PERMANENT":
            yield f"neigh replace {row.address} lladdr {row.mac} dev {row.dev} nud permanent"


def _policies(world: World, scope: str) -> Iterator[str]:
    """``ip rule``: those that somebody added, and the kernel's own that somebody deleted."""
    rows: Iterable[Rule] = world.table(scope, "rule").values()
    for row in rows:
        family = "-6 " if row.family == "ip6" else ""
        yield f"{family}rule {'del' if row.gone else 'add'} {_said(row)} priority {row.priority}"


_PARTS: tuple[Callable[[World, str], Iterator[str]], ...] = (
    *(_ports, _addresses, _ups, _routes, _neighbours),
    _policies,
)


def _listeners(world: World, places: Iterable[Place]) -> str:
    """For each namespace its sockets: protocol, address, port, who answers, its name."""
    lines: list[str] = []
    for scope, netns in places:
        rows = sorted(world.table(scope, "socket").values(), key=lambda s: (s.proto, s.address, s.port))
        lines += [f"in {netns}"] if rows else []
        lines += [f"{s.proto} {s.address} {s.port} {s.answers_as} {s.hostname or s.answers_as}" for s in rows]
    return "\n".join(lines)
