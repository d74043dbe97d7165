"""Network address translation: a connection's first packet is given a reply tuple that is not its mirror image.

A nat rule says in which `Range` the new address and port may be. `setup` finds a tuple in that range that no other
connection's packets have, so that every answer finds its way back: it keeps the source port if it can, else it looks
for a free one in the port's own class (below 512, below 1024, above). Every later packet, in both directions, is
rewritten from the two tuples and asks no rule (`nf_nat_core.c`).

Where several addresses are offered the kernel takes one by a hash of source and destination; so does this, with the
same hash (Bob Jenkins' lookup3). The free port it draws by chance; here a hash of the tuple draws.

Left out: ``--to-destination``'s port offset, NETMAP, the connections that MASQUERADE drops when its device goes down,
closed connections whose port a new one may take over (there the kernel compares TCP sequence numbers).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

from k8slearn.linux import ip
from k8slearn.linux.connection import PINGS, PORTS, inverse, is_dnat, is_snat, lookup, text
from k8slearn.linux.rows import Connection, Tuple
from k8slearn.linux.skb import Net, Skb, Tracked
from k8slearn.packet import Packet
from k8slearn.trace import Because, Step

SOURCE_HOOKS = ("POSTROUTING", "INPUT")
"""At these the source is translated, at PREROUTING and OUTPUT the destination."""
MOST_TRIES = 128


class Range(NamedTuple):
    """Where the new address and port may lie: addresses `first` to `last`, ports `low` to `high` (0: not said)."""

    first: str = ""
    last: str = ""
    low: int = 0
    high: int = 0
    random: bool = False
    """``--random``, ``--random-fully``: a new port even if the old one is free."""
    persistent: bool = False
    """``--persistent``: the address depends on the client alone."""


@lru_cache(maxsize=1 << 12)
def range_of(words: str, random: bool = False, persistent: bool = False) -> Range:
    """A range as iptables writes it: ``10.0.0.1-10.0.0.9:1000-2000``, ``[fd00::1]:80``, ``:80``, ``fd00::1``."""
    if words.startswith("["):
        addresses, _, ports = words[1:].partition("]")
        ports = ports.removeprefix(":")
    elif words.count(":") > 1:
        addresses, ports = words, ""
    else:
        addresses, _, ports = words.partition(":")
    first, _, last = addresses.replace("[", "").replace("]", "").partition("-")
    low, _, high = ports.partition("/")[0].partition("-")
    return Range(first, last or first, int(low or 0), int(high or low or 0), random, persistent)


def setup(net: Net, skb: Skb, where: Range, source: bool) -> None:
    """Give the packet's new connection its translation (`nf_nat_core.c: nf_nat_setup_info`)."""
    tracked = skb.tracked
    assert tracked is not None
    row = tracked.row
    unique = _unique(net, skb.netns, inverse(row.reply), where, source)
    tracked.row = row._replace(reply=inverse(unique))
    if source:
        tracked.src_done = True
    else:
        tracked.dst_done = True


def null_binding(net: Net, skb: Skb) -> None:
    """No rule wants the source changed; only a port that would clash is (`nf_nat_alloc_null_binding`)."""
    assert skb.tracked is not None
    reply = skb.tracked.row.reply
    if lookup(net.world, skb.netns, reply) is not None:
        setup(net, skb, Range(reply.dst, reply.dst), True)
    skb.tracked.src_done = True


def set_destination(tracked: Tracked, address: str, port: int) -> None:
    """DNAT to one address (and port, if not 0): the reply will come from there."""
    row = tracked.row
    reply = row.reply._replace(src=address, sport=port or row.reply.sport)
    tracked.row, tracked.dst_done = row._replace(reply=reply), True


def set_source(net: Net, skb: Skb, address: str, port: int) -> None:
    """SNAT to one address (and port, if not 0): the reply will go to there."""
    setup(net, skb, Range(address, address, port, port), True)


# --- a tuple that nobody has -------------------------------------------------------------------


def _unique(net: Net, netns: str, t: Tuple, where: Range, source: bool) -> Tuple:
    """`get_unique_tuple`: the tuple as it is if that will do, else an address and then a port."""

    def used(candidate: Tuple) -> bool:
        return lookup(net.world, netns, inverse(candidate)) is not None

    if source and not where.random:
        if _fits(t, where):
            if not used(t):
                return t
        else:
            for mapped in _mapped_before(net, netns, t):
                if _fits(mapped, where) and not used(mapped):
                    return mapped
    t = _with_address(t, where, source)
    port = t.sport if source else t.dport
    if not where.random:
        if where.low and where.low <= port <= where.high and (where.low == where.high or not used(t)):
            return t
        if not where.low and not used(t):
            return t
    return next((found for found in _ports(t, where, source) if not used(found)), _last_tried(t, where, source))


def _fits(t: Tuple, where: Range) -> bool:
    """Does the source lie in the range as it is?"""
    if where.first and not ip.number(where.first) <= ip.number(t.src) <= ip.number(where.last):
        return False
    return not where.low or t.proto not in (*PORTS, *PINGS) or where.low <= t.sport <= where.high


def _mapped_before(net: Net, netns: str, t: Tuple) -> Iterator[Tuple]:
    """What the same source was mapped to for another destination: it should look like one host to all of them."""
    rows = net.world.table(netns, "conntrack")
    for name, row in rows.items():
        o: Tuple = row.original
        if name == o and (o.proto, o.src, o.sport) == (t.proto, t.src, t.sport) and row.until > net.world.clock:
            port = row.reply.dport if t.proto in PINGS else t.dport
            yield t._replace(src=row.reply.dst, sport=row.reply.dport, dport=port)


def _with_address(t: Tuple, where: Range, source: bool) -> Tuple:
    if not where.first:
        return t
    chosen = where.first if where.first == where.last else _hashed_address(t, where)
    return t._replace(src=chosen) if source else t._replace(dst=chosen)


def _ports(t: Tuple, where: Range, source: bool) -> Iterator[Tuple]:
    """The ports that are tried, from a drawn one on (`nf_nat_l4proto_unique_tuple`)."""
    port = t.sport if source else t.dport
    if t.proto in PINGS:
        low, count = (where.low, where.high - where.low + 1) if where.low else (0, 65536)
    elif where.low:
        low, count = min(where.low, where.high), abs(where.high - where.low) + 1
    elif not source or t.proto not in PORTS:
        return
    elif port < 512:
        low, count = 1, 511
    elif port < 1024:
        low, count = 600, 424
    else:
        low, count = 1024, 64512
    offset = crc32(repr(t).encode()) & 0xFFFF
    for step in range(min(count, MOST_TRIES * 2)):
        yield _with_port(t, low + (offset + step) % count, source)


def _last_tried(t: Tuple, where: Range, source: bool) -> Tuple:
    """Nothing was free: the tuple stays a duplicate, and confirmation drops the packet."""
    if where.low and t.proto in (*PORTS, *PINGS):
        return _with_port(t, where.low, source)
    return t


def _with_port(t: Tuple, port: int, source: bool) -> Tuple:
    if t.proto in PINGS:
        return t._replace(sport=port, dport=port)
    return t._replace(sport=port) if source else t._replace(dport=port)


# --- which of several addresses ----------------------------------------------------------------


def _hashed_address(t: Tuple, where: Range) -> str:
    """The same client reaches the same server by the same address, across reboots (`find_best_ips_proto`)."""
    width = ip.bits(t.src)
    source, target = _words(t.src), _words(t.dst)
    first, last = (_big_endian(a, width) for a in (where.first, where.last))
    count = width // 32
    drawn = jhash2(source, 0 if where.persistent else target[count - 1])
    chosen, full = list[int](), False
    for n in range(count):
        low, span = (0, 0xFFFFFFFF) if full else (first[n], last[n] - first[n] + 1 & 0xFFFFFFFF)
        word = low + (drawn * span >> 32) & 0xFFFFFFFF
        chosen.append(word)
        full = full or word != last[n]
        drawn = drawn if where.persistent else drawn ^ target[n]
    return ip.text(sum(word << (width - 32 * (n + 1)) for n, word in enumerate(chosen)), width)


def _words(address: str) -> list[int]:
    """The four words of a `union nf_inet_addr` as a little-endian machine reads them."""
    raw = ip.number(address).to_bytes(ip.bits(address) // 8).ljust(16, b"\0")
    return [int.from_bytes(raw[n : n + 4], "little") for n in range(0, 16, 4)]


def _big_endian(address: str, width: int) -> list[int]:
    number = ip.number(address)
    return [number >> shift & 0xFFFFFFFF for shift in range(width - 32, -1, -32)]


def _rotated(word: int, by: int) -> int:
    return (word << by | word >> 32 - by) & 0xFFFFFFFF


def jhash2(words: list[int], start: int) -> int:
    """The kernel's hash of an array of 32-bit words (`jhash.h`, after Bob Jenkins' lookup3)."""
    a = b = c = 0xDEADBEEF + (len(words) << 2) + start & 0xFFFFFFFF
    at = 0
    while len(words) - at > 3:
        a, b, c = (x + words[at + n] & 0xFFFFFFFF for n, x in enumerate((a, b, c)))
        for by in (4, 6, 8, 16, 19, 4):
            a = (a - c & 0xFFFFFFFF) ^ _rotated(c, by)
            c = c + b & 0xFFFFFFFF
            a, b, c = b, c, a
        at += 3
    rest = [*words[at:], 0, 0, 0][:3]
    a, b, c = (x + y & 0xFFFFFFFF for x, y in zip((a, b, c), rest, strict=True))
    if at == len(words):
        return c
    for by in (14, 11, 25, 16, 4, 14, 24):
        c = (c ^ b) - _rotated(b, by) & 0xFFFFFFFF
        a, b, c = b, c, a
    return b


# --- every packet ------------------------------------------------------------------------------


def translate(net: Net, skb: Skb, hook: str) -> Step | None:
    """Rewrite the packet as its connection says: destination at PREROUTING and OUTPUT, source at POSTROUTING
    and INPUT. None: there is nothing to rewrite."""
    tracked = skb.tracked
    if tracked is None:
        return None
    row, source = tracked.row, hook in SOURCE_HOOKS
    if not (is_snat(row) if source != tracked.reply else is_dnat(row) and not row.ipvs):
        return None
    return rewrite(net, skb, hook, source)


def rewrite(net: Net, skb: Skb, hook: str, source: bool) -> Step | None:
    """Rewrite the packet's source, or its destination, as its connection says; None: it says so already."""
    tracked, before = skb.tracked, skb.packet
    assert tracked is not None
    row = tracked.row
    target = inverse(row.original if tracked.reply else row.reply)
    if before.inner is not None and before.proto in PINGS:
        skb.packet = _translate_error(before, row, target, tracked.reply, source)
    elif source:
        dport = target.sport if before.proto in PINGS else before.dport
        skb.packet = before.between(target.src, before.dst, target.sport, dport)
    else:
        sport = target.dport if before.proto in PINGS else before.sport
        skb.packet = before.between(before.src, target.dst, sport, target.dport)
    after = skb.packet
    if after == before:
        return None
    what = (
        f"source {_place(before.src, before.sport)} becomes {_place(after.src, after.sport)}"
        if source
        else f"destination {_place(before.dst, before.dport)} becomes {_place(after.dst, after.dport)}"
    )
    because = connection_because(net, skb.netns, row)
    return Step(skb.netns, "nat", what, before, after, because, skb.oif or skb.iif, hook)


def connection_because(net: Net, netns: str, row: Connection) -> Because:
    """The connection as the reason. Every packet of it says the same."""
    place = (netns, row.original, row.reply)
    found = net.named.get(place)
    if found is None:
        found = net.named[place] = Because((netns, "conntrack", row.original), text(row))
    return found


def _place(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _translate_error(packet: Packet, row: Connection, target: Tuple, reply: bool, source: bool) -> Packet:
    """An ICMP error is rewritten outside and in the packet that it quotes (`nf_nat_proto.c:
    nf_nat_icmp_reply_translation`)."""
    inner = packet.inner
    assert inner is not None
    quoted = row.original if reply else row.reply
    if source:
        return packet._replace(src=target.src, inner=inner._replace(dst=quoted.dst, dport=quoted.dport))
    return packet._replace(dst=target.dst, inner=inner._replace(src=quoted.src, sport=quoted.sport))


def homeless(skb: Skb, dev: str, hook: str) -> Step:
    """A translation to a device's own address, and it has none (`nf_nat_masquerade.c`, `nf_nat_redirect.c`)."""
    says = f"{dev} ate my IP address"
    return Step(skb.netns, "drop", says, skb.packet, skb.packet, None, dev, hook, reason="NETFILTER_DROP")
