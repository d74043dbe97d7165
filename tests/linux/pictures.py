"""The pictures of the modules' openings, drawn from the tables that the code runs on.

`PICTURES` says how each is drawn; a test draws it again and looks for it, letter by letter, in the module's docstring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from textwrap import fill
from types import ModuleType

from k8slearn.journal import Put, World, drive
from k8slearn.linux import (
    bridge,
    client,
    conntrack_states,
    drivers,
    faults,
    frag,
    icmp,
    ip,
    ip6_input,
    ip_input,
    ipset,
    kinds,
    link,
    log,
    matches,
    neigh,
    netfilter,
    path,
    qdisc,
    rule,
    rules,
    socket,
    stack,
    switch,
    sysctl,
    targets,
    transport,
)
from k8slearn.linux.nft import selectors, stages
from k8slearn.linux.rows import NEW_PORT, Connection, Netns, Socket, Tuple
from k8slearn.linux.skb import Skb
from k8slearn.packet import Packet
from k8slearn.shell import iptables_check

NONE = "─"
WIDTH = 112


def drawn(rows: Iterable[Iterable[object]], gap: int = 3) -> str:
    """Rows of words as columns."""
    table = [[str(word) for word in row] for row in rows]
    widths = [max(len(row[n]) for row in table if n < len(row)) for n in range(max(map(len, table)))]
    return "\n".join((" " * gap).join(map(str.ljust, row, widths)).rstrip() for row in table)


def _lists(groups: Mapping[str, Iterable[str]]) -> str:
    """For each head its words, on as many lines as they need."""
    left, rows = max(map(len, groups)) + 3, []
    for head, words in groups.items():
        line = head.ljust(left)
        for word in words:
            if len(line) + len(word) > WIDTH:
                rows.append(line.rstrip())
                line = " " * left
            line += f"{word}  "
        rows.append(line.rstrip())
    return "\n".join(rows)


# --- devices ---------------------------------------------------------------------------------------

CARRIERS = {
    "": "nobody asks: state UNKNOWN while up",
    "peer": "both ends are up",
    "ports": "one of its ports has one",
    "lower": "the device below has one",
}


def _drivers() -> str:
    rows = [(kind, row.link_type, " ".join(row.flags), CARRIERS[row.carrier]) for kind, row in drivers.DRIVERS.items()]
    return drawn([("kind", "type", "flags", "has a carrier while"), *rows])


def _module(found: object) -> str:
    assert isinstance(found, ModuleType)
    return f"{found.__name__.rpartition('.')[2]}.py"


def _kinds() -> str:
    rows = [("veth", "frames", "path.py", "")]
    for kind, module in kinds.KINDS.items():
        rows.append((kind, "frames", _module(module), "frames of the device below" if kind in kinds.UPPERS else ""))
    for kind, tunnel in kinds.BARE.items():
        protocols = [proto for proto, asked in kinds.TUNNELS.items() if tunnel in asked]
        rows.append((kind, "IP packets", _module(tunnel), f"{' and '.join(protocols)} for this machine"))
    return drawn([("kind", "is given", "sends by", "looks at"), *rows])


def _stack() -> str:
    events = ("up", "down", "mtu", "mac")
    rows = []
    for kind in dict.fromkeys(kind for kind, _ in stack.FOLLOWS):
        follows = [stack.FOLLOWS.get((kind, event)) for event in events]
        rows.append((kind, *(f.__name__.strip("_").replace("_", " ") if f else NONE for f in follows)))
    return drawn([("below changes:", *events), *rows])


def _bridge() -> str:
    return drawn((f"to a {cast} MAC", f"out of each port with {flag} on") for cast, flag in bridge.FLAGS.items())


def _switch() -> str:
    usual = {"hairpin": False, **NEW_PORT._asdict()}
    return drawn((name, "on" if usual[name] else "off") for name in switch.PORT_SETTINGS)


def _qdisc() -> str:
    rows = ((what, ", ".join(f"{second:g}" for second in when)) for what, when in qdisc.RESENT.items())
    return drawn([("lost", "sent again after (seconds)"), *rows])


# --- addresses and routes --------------------------------------------------------------------------


def _scopes() -> str:
    return drawn([*((network, scope) for network, scope in ip.SCOPES.items()), ("everything else", "global")])


def _neighbours() -> str:
    return drawn((state, "used at once" if used else "not used", says) for state, (used, says) in neigh.STATES.items())


def _rules() -> str:
    return drawn((f"{row.priority}:", rule.text(row)) for row in rule.DEFAULTS["ip"])


def _no_way() -> str:
    rows = ((kind, words, ip_input.NO_ROUTE.get(kind, NONE)) for kind, words in path.LOCAL_ERRORS.items())
    return drawn([("the table says", "a program here is told", "a packet's sender is told"), *rows])


def _no_way6() -> str:
    return drawn([*ip6_input.NO_ROUTE.items(), ("blackhole", NONE)])


def _sysctl() -> str:
    return _lists({tree + "DEV.": [f"{n}={v}" for n, v in rows.items()] for tree, rows in sysctl.CONF.items()})


def _icmp() -> str:
    rows = []
    for message, (_, words) in icmp.ERRORS.items():
        kinds = (
            "{}/{}".format(*known[message]) if message in known else NONE for known in (icmp.NUMBERS, icmp.NUMBERS6)
        )
        rows.append((message, *kinds, words, "goes on waiting" if message in icmp.SOFT else "fails"))
    return drawn([("message", "IPv4", "IPv6", "says", "a UDP socket"), *rows])


# --- conversations ---------------------------------------------------------------------------------

LIFE = ((">", "SYN"), ("<", "SYN-ACK"), (">", "ACK"), (">", "FIN-ACK"), ("<", "FIN-ACK"), (">", "ACK"))
"""A TCP connection as it should be: who sends what."""


def _life() -> str:
    there, back = Tuple("tcp", "a", "b", 1, 2), Tuple("tcp", "b", "a", 2, 1)
    state, rows = "", []
    for way, flags in LIFE:
        row = Connection(there, back, state, replied=True)
        state = conntrack_states.after(row, flags, way == "<") if state else conntrack_states.first("tcp", flags)
        setting = f"net.netfilter.nf_conntrack_{conntrack_states.TIMEOUTS['tcp', state]}"
        rows.append((way, flags, state, f"{int(sysctl.DEFAULTS[setting])} s"))
    return drawn(rows)


def _sizes() -> str:
    sizes = {
        flags: transport.size_of("tcp", "10.0.0.1", flags, 0) for flags in ("SYN", "SYN-ACK", "RST", "ACK", "PSH-ACK")
    }
    words = [f"{'data' if flags == 'PSH-ACK' else flags} {size}" for flags, size in sizes.items()]
    words[-1] += " + n"
    words += [f"{name} {transport.size_of(proto, '10.0.0.1', '', 0)}" for name, proto in (("echo", "icmp"),)]
    words.append(f"datagram {transport.size_of('udp', '10.0.0.1', '', 0)} + n")
    longer = transport.ip_header("fd00::1") - transport.ip_header("10.0.0.1")
    return "   ".join(words) + f"    bytes over IPv4; IPv6 has {longer} more"


def _fragments() -> str:
    whole = Packet("udp", "10.0.0.1", "10.0.0.2", size=3000)
    rows = []
    for piece in frag.split(whole, 1500, 7):
        assert piece.fragment is not None
        start, size = piece.fragment.offset, piece.size - frag.HEADER["ip"]
        rows.append((f"bytes {start} to {start + size}", "more follow" if piece.fragment.more else "the last"))
    return drawn(rows)


def _log() -> str:
    syn = Packet("tcp", "10.0.0.1", "10.0.0.2", 40000, 80, "SYN", size=60)
    frame = syn.framed("02:00:00:00:00:01", "02:00:00:00:00:02")
    return fill(log.line(Skb("n", frame, "eth0", "cni0"), "FORWARD"), WIDTH)


def _alone() -> World:
    """A machine with nothing but ``lo``, where somebody listens on port 80."""
    world = World()
    for row in (Put(("m", "netns", ""), Netns("m", "m")), *link.add_loopback("m")):
        world.apply(row)
    drive(link.set_up(world, "m", "lo"), world.apply)
    for proto in ("tcp", "udp", "sctp"):
        drive(socket.bind(world, "m", Socket(proto, "0.0.0.0", 80, "server", "server")), world.apply)
    return world


def _conversations() -> str:
    """What is sent in a conversation: asked of the walk itself."""
    world, goodbye = _alone(), {"tcp": client.FAREWELL[:3], "sctp": client.FAREWELL[3:]}
    rows = []
    for proto in ("tcp", "sctp", "udp", "icmp"):
        legs = [
            leg.name for leg in drive(socket.connect(world, "m", "127.0.0.1", 80, proto), lambda command: None).legs
        ]
        end = f" ─ ({' ─ '.join(goodbye[proto])})" if proto in goodbye else ""
        rows.append((proto, " ─ ".join(legs) + end))
    return drawn(rows)


# --- netfilter -------------------------------------------------------------------------------------


def _hooks() -> str:
    return drawn((hook, ", ".join(tables)) for hook, tables in netfilter.HOOKS.items())


def _built_in() -> str:
    rows = ((table, *("x" if hook in has else "" for hook in netfilter.HOOKS)) for table, has in rules.BUILT_IN.items())
    return drawn([("", *netfilter.HOOKS), *rows])


def _matches() -> str:
    groups: dict[str, list[str]] = {}
    for module, option in matches.OPTIONS:
        groups.setdefault(f"-m {module}" if module else "", []).append(option)
    return _lists({**groups, "and -m": list(matches.MODULES)})


def _targets() -> str:
    groups: dict[tuple[str, str], list[str]] = {}
    for name in (*targets.VERDICTS, *targets.TARGETS):
        place = (", ".join(limits.get(name, ("any",))) for limits in (iptables_check.TABLES, iptables_check.HOOKS))
        groups.setdefault((next(place), next(place)), []).append(name)
    rows = ((table, hooks, " ".join(names)) for (table, hooks), names in sorted(groups.items(), reverse=True))
    return drawn([("table", "hook", "targets"), *rows])


def _sets() -> str:
    return drawn((kind, ", ".join(parts)) for kind, parts in ipset.PARTS.items())


def _stages() -> str:
    places = {**stages.PRIORITY, "dstnat": -100, "srcnat": 100}
    rows = sorted(places.items(), key=lambda row: row[1])
    return "   ".join(f"{name} {at}" if at < 1 << 31 else name for name, at in rows)


def _selectors() -> str:
    groups: dict[str, list[str]] = {}
    for words in selectors.PAYLOAD:
        header, _, name = words.partition(" ")
        groups.setdefault(header, []).append(name)
    groups["meta"] = list(selectors.META)
    groups["ct"] = [*selectors.CT, *(f"original|reply {side}" for side in selectors.CT_SIDES)]
    groups["fib saddr|daddr"] = list(selectors.FIB)
    return _lists(groups)


def _faults() -> str:
    rows = ((kind, fault.says, " ".join(fault.takes)) for kind, fault in faults.FAULTS.items())
    return drawn([("fault", "what is wrong then", "arguments"), *rows])


PICTURES: Mapping[ModuleType, Callable[[], str]] = {
    bridge: _bridge,
    client: _conversations,
    conntrack_states: _life,
    drivers: _drivers,
    faults: _faults,
    frag: _fragments,
    icmp: _icmp,
    ip: _scopes,
    ip6_input: _no_way6,
    ip_input: _no_way,
    ipset: _sets,
    kinds: _kinds,
    log: _log,
    matches: _matches,
    neigh: _neighbours,
    netfilter: _hooks,
    qdisc: _qdisc,
    rule: _rules,
    rules: _built_in,
    selectors: _selectors,
    stack: _stack,
    stages: _stages,
    switch: _switch,
    sysctl: _sysctl,
    targets: _targets,
    transport: _sizes,
}
"""Module -> its picture as it must stand in its docstring, indented by four."""

if __name__ == "__main__":
    for module, draw in PICTURES.items():
        print(f"\n{module.__name__}\n{draw()}")
