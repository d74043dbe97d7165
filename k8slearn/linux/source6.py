"""Which of its IPv6 addresses does a machine speak from: RFC 6724, as the kernel does it (addrconf.c:
ipv6_dev_get_saddr).

Every address is a candidate (for a link-local or multicast destination those of the outgoing device alone). Two are
compared rule by rule, and the first rule that tells them apart decides:

====  =====================================================================
1     it is the destination itself
2     its scope is the smallest that reaches as far as the destination's
3     it is not deprecated
5     it is on the outgoing device
6     its label is the destination's (`LABELS`)
8     it shares the longest prefix with the destination
====  =====================================================================

Where no rule decides, the address that stands first in ``ip addr`` does.

Left out: home addresses (rule 4), temporary addresses (rule 7), the ``addrlabel`` table in other than its first state.
"""

from __future__ import annotations

from k8slearn.journal import World
from k8slearn.linux import ip
from k8slearn.linux.rows import Address

LABELS = {
    "::1/128": 0,
    "::/0": 1,
    "2002::/16": 2,
    "::/96": 3,
    "::ffff:0:0/96": 4,
    "fc00::/7": 5,
    "2001::/32": 6,
    "2001:10::/28": 7,
    "fec0::/10": 11,
    "3ffe::/16": 12,
}
"""addrlabel.c: the longest prefix that an address is in gives its label (``ip addrlabel``)."""

WIDTHS = {"host": 2, "link": 2, "site": 5, "global": 14}
"""How far a scope reaches, as multicast counts it (RFC 4291, 2.7)."""


def label(address: str) -> int:
    """The label of an address."""
    return max((ip.network(net)[1], number) for net, number in LABELS.items() if ip.within(address, net))[1]


def ordered(rows: list[Address]) -> list[Address]:
    """A link's IPv6 addresses as the kernel keeps them: the widest scope first, then the youngest."""
    return sorted(rows, key=lambda row: WIDTHS[row.scope])[::-1]


def select_source6(world: World, netns: str, dev: str, towards: str) -> str:
    """The address that the kernel speaks from to `towards`, over `dev`; empty where there is none."""
    near = ip.is_multicast(towards) or _width(towards) <= WIDTHS["link"]
    links = sorted(world.table(netns, "link").values(), key=lambda link: link.index)
    held: dict[str, list[Address]] = {link.name: [] for link in links if link.name == dev or not near or not dev}
    for row in world.table(netns, "addr").values():
        if ":" in row.address and not row.tentative and row.dev in held:
            held[row.dev].append(row)
    rows = [row for there in held.values() for row in ordered(there)]
    return max(rows, key=lambda row: _score(row, dev, towards)).address if rows else ""


def _width(address: str) -> int:
    if ip.is_multicast(address):
        return int(address[3:4] or "0", 16)
    return WIDTHS[ip.scope(address)]


def _score(row: Address, dev: str, towards: str) -> tuple[int, ...]:
    reach, wanted = WIDTHS[row.scope], _width(towards)
    return (
        row.address == towards,
        -reach if reach >= wanted else reach - 128,
        not row.deprecated,
        dev in ("", row.dev),
        label(row.address) == label(towards),
        min(_shared(row.address, towards), row.prefix),
    )


def _shared(one: str, other: str) -> int:
    """How many leading bits two addresses have in common."""
    return 128 - (ip.number(one) ^ ip.number(other)).bit_length()
