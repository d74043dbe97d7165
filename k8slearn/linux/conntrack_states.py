"""conntrack guesses a connection's state from the packets that it sees; the state says how long it is remembered.

conntrack is a man in the middle: it sees packets and guesses. A connection that goes as it should (``>`` is the first
packet's direction), with the state after each packet and how long the entry is then kept::

    >   SYN       SYN_SENT      120 s
    <   SYN-ACK   SYN_RECV      60 s
    >   ACK       ESTABLISHED   432000 s
    >   FIN-ACK   FIN_WAIT      120 s
    <   FIN-ACK   LAST_ACK      30 s
    >   ACK       TIME_WAIT     120 s

`TCP` and `SCTP` have a row for each (direction, kind of packet) and a column for each state before; a cell is the state
after. ``.`` is IGNORE (let it pass, learn nothing), ``x`` is INVALID. UDP, ICMP and the rest have no states, only
timeouts (`TIMEOUTS`).

Left out: windows and sequence numbers (a packet is always in its window, so ``nf_conntrack_tcp_be_liberal`` changes
nothing), the shorter timeouts after three retransmissions or with unacknowledged data, the end of a TCP connection that
both sides opened at once.
"""

from __future__ import annotations

from collections.abc import Mapping

from k8slearn.journal import Table, World
from k8slearn.linux import sysctl
from k8slearn.linux.rows import Connection

NOTHING: Mapping[str, str] = {}
IGNORE, INVALID, REOPEN = "ignore", "INVALID", "reopen"

States = Mapping[tuple[bool, str], Mapping[str, str]]


def _table(heads: str, names: Mapping[str, str], rows: Mapping[tuple[bool, str], str]) -> States:
    words = {**names, "-": "", ".": IGNORE, "x": INVALID}
    before = [words[head] for head in heads.split()]
    return {key: dict(zip(before, (words[cell] for cell in cells.split()), strict=True)) for key, cells in rows.items()}


TCP = _table(
    "- SS SR ES FW CW LA TW CL S2",
    {
        **{"SS": "SYN_SENT", "SR": "SYN_RECV", "ES": "ESTABLISHED", "FW": "FIN_WAIT", "CW": "CLOSE_WAIT"},
        **{"LA": "LAST_ACK", "TW": "TIME_WAIT", "CL": "CLOSE", "S2": "SYN_SENT2"},
    },
    {
        # before           - SS SR ES FW CW LA TW CL S2
        (False, "SYN"): "  SS SS . . . . . SS SS S2",
        (False, "SYN-ACK"): "x x SR x x x x x x SR",
        (False, "FIN"): "   x x FW FW LA LA LA TW CL x",
        (False, "ACK"): "   ES x ES ES CW CW TW TW CL x",
        (False, "RST"): "   x CL CL CL CL CL CL CL CL CL",
        (True, "SYN"): "    x S2 x x x x x SS x S2",
        (True, "SYN-ACK"): "x SR . . . . . . . SR",
        (True, "FIN"): "    x x FW FW LA LA LA TW CL x",
        (True, "ACK"): "    x . SR ES CW CW TW TW CL .",
        (True, "RST"): "    x CL CL CL CL CL CL CL CL CL",
    },
)
"""(is a reply, flags) -> state before -> state after (`nf_conntrack_proto_tcp.c`)."""

KINDS = {
    **{"SYN": "SYN", "SYN-ACK": "SYN-ACK", "ACK": "ACK", "PSH-ACK": "ACK", "FIN-ACK": "FIN", "FIN": "FIN"},
    **{"RST": "RST", "RST-ACK": "RST", "FIN-PSH-ACK": "FIN"},
}
"""A packet's flags -> the kind of packet that conntrack sees in them; anything else is INVALID."""

SCTP = _table(
    "- CL CW CE ES SS SR SA HS",
    {
        **{"CL": "CLOSED", "CW": "COOKIE_WAIT", "CE": "COOKIE_ECHOED", "ES": "ESTABLISHED", "SS": "SHUTDOWN_SENT"},
        **{"SR": "SHUTDOWN_RECD", "SA": "SHUTDOWN_ACK_SENT", "HS": "HEARTBEAT_SENT"},
    },
    {
        # before                  - CL CW CE ES SS SR SA HS
        (False, "INIT"): "         CL CL CW CE ES CL CL SA CW",
        (False, "INIT-ACK"): "     x CL CW CE ES SS SR SA CL",
        (False, "HEARTBEAT"): "    HS CL CW CE ES SS SR SA HS",
        (False, "HEARTBEAT-ACK"): "CL CL CW CE ES SS SR SA HS",
        (False, "ABORT"): "        x CL CL CL CL CL CL CL CL",
        (False, "SHUTDOWN"): "     x CL CW CE SS SS SR SA CL",
        (False, "SHUTDOWN-ACK"): " SA CL CW CE ES SA SA SA SA",
        (False, "COOKIE-ECHO"): "  x CL CE CE ES SS SR SA CL",
        (False, "COOKIE-ACK"): "   x CL CW ES ES SS SR SA CL",
        (False, "SHUTDOWN-COMPLETE"): "x CL CW CE ES SS SR CL CL",
        (True, "INIT"): "          x CL CW CE ES SS SR SA HS",
        (True, "INIT-ACK"): "      x CW CW CE ES SS SR SA HS",
        (True, "HEARTBEAT"): "     x CL CW CE ES SS SR SA HS",
        (True, "HEARTBEAT-ACK"): " x CL CW CE ES SS SR SA ES",
        (True, "ABORT"): "         x CL CL CL CL CL CL CL HS",
        (True, "SHUTDOWN"): "      x CL CW CE SR SS SR SA HS",
        (True, "SHUTDOWN-ACK"): "  x CL CW CE ES SA SA SA HS",
        (True, "COOKIE-ECHO"): "   x CL CE CE ES SS SR SA HS",
        (True, "COOKIE-ACK"): "    x CL CW ES ES SS SR SA HS",
        (True, "SHUTDOWN-COMPLETE"): "x CL CW CE ES SS SR CL HS",
    },
)
"""(is a reply, chunk) -> state before -> state after (`nf_conntrack_proto_sctp.c`; as Linux 6.18 answers)."""

TIMEOUTS = {
    **{("tcp", state): f"tcp_timeout_{state.lower()}" for state in TCP[False, "RST"] if state},
    ("tcp", "SYN_SENT2"): "tcp_timeout_syn_sent",
    **{("sctp", state): f"sctp_timeout_{state.lower()}" for state in SCTP[False, "ABORT"] if state},
    ("udp", ""): "udp_timeout",
    ("udp", "stream"): "udp_timeout_stream",
    ("icmp", ""): "icmp_timeout",
    ("icmp6", ""): "icmpv6_timeout",
    ("gre", ""): "gre_timeout",
}
"""(protocol, state) -> the setting under ``net.netfilter.nf_conntrack_`` that says how many seconds an entry is kept;
whatever has no row is kept for ``generic_timeout``."""
_SETTINGS = {key: f"net.netfilter.nf_conntrack_{name}" for key, name in TIMEOUTS.items()}


def timeout(world: World, netns: str, proto: str, state: str) -> float:
    """Seconds until an entry in this state is forgotten."""
    known = world.rows[netns, "sysctl"].index(_timeouts)
    found = known.get((proto, state))
    if found is None:
        name = _SETTINGS.get((proto, state), "net.netfilter.nf_conntrack_generic_timeout")
        found = known[proto, state] = float(sysctl.read(world, netns, name) or 0)
    return found


def _timeouts(written: Table) -> dict[tuple[str, str], float]:
    return {}


def first(proto: str, flags: str, loose: bool = True) -> str:
    """The state that a first packet makes, or `INVALID` where it can begin nothing.

    `loose`: may a TCP connection be picked up in its middle (``nf_conntrack_tcp_loose``)?
    """
    if proto == "tcp":
        found = TCP.get((False, KINDS.get(flags, "")), {}).get("", INVALID)
        return INVALID if found == "ESTABLISHED" and not loose else found
    if proto == "sctp":
        return SCTP.get((False, flags), {}).get("", INVALID)
    return INVALID if proto in ("icmp", "icmp6") and flags not in ASKS else ""


def after(row: Connection, flags: str, reply: bool) -> str:
    """The state after one more packet; or `IGNORE`, `INVALID`, or `REOPEN`: forget the entry and begin anew."""
    proto = row.original.proto
    if proto == "tcp":
        return _tcp(row, KINDS.get(flags, ""), reply)
    if proto == "sctp":
        return row.state if flags in ("DATA", "SACK") else SCTP.get((reply, flags), {}).get(row.state, INVALID)
    return ""


def _tcp(row: Connection, kind: str, reply: bool) -> str:
    """What the table says, and the two cases in which it alone would be wrong (`nf_conntrack_tcp_packet`): a new
    connection from an old port, and an entry that does not know what both ends know."""
    found = TCP.get((reply, kind), NOTHING).get(row.state, INVALID)
    if not row.last and found != "SYN_SENT":
        return found
    way, other = ("<", ">") if reply else (">", "<")
    if found == "SYN_SENT" and row.state in ("TIME_WAIT", "CLOSE"):
        return REOPEN if row.fin or row.last == "RST" + way else IGNORE
    if found == IGNORE and kind == "SYN-ACK" and row.last == "SYN" + other:
        return "SYN_RECV"
    if row.state == "LAST_ACK" and kind == "ACK" and row.last == "SYN" + other:
        return IGNORE
    return found


def remembered(flags: str, reply: bool, before: str, state: str) -> str:
    """What an entry keeps of the last packet (`rows.Connection.last`)."""
    kind = KINDS.get(flags, "")
    if kind == "RST" or (kind == "SYN" and state == IGNORE and before != "SYN_RECV"):
        return kind + ("<" if reply else ">")
    return ""


ASKS = ("echo-request", "timestamp-request")
"""The ICMP messages that begin a connection (`nf_conntrack_proto_icmp.c`)."""
