"""What a rule says of the packet itself, without any extension: ``-s -d -i -o -p -f``.

Left out: names that a resolver would have to look up, except ``localhost``.
"""

from __future__ import annotations

from k8slearn.linux import ip
from k8slearn.linux.iptables import values
from k8slearn.linux.iptables.values import Given
from k8slearn.linux.iptables.words import fail
from k8slearn.linux.rules import Match

ORDER = ("-s", "-d", "-i", "-o", "-p", "-f")
"""The order in which they are printed."""
LONG = {
    **{"--source": "-s", "--src": "-s", "--destination": "-d", "--dst": "-d", "--in-interface": "-i"},
    **{"--out-interface": "-o", "--protocol": "-p", "--proto": "-p", "--fragments": "-f", "--match": "-m"},
    **{"--jump": "-j", "--goto": "-g"},
}
LOCALHOST = {"ip": 0x7F000001, "ip6": 1}


def device(option: str, value: str, negated: bool) -> list[Match]:
    """``-i eth0``, ``-o veth+``; ``+`` alone is any interface, and no condition."""
    name = values.interface(value, Given("", option, ""))
    return [] if name == "+" and not negated else [Match("", option, name, negated)]


def protocol(value: str, negated: bool) -> list[Match]:
    """``-p tcp``; 0 and ``all`` are any protocol."""
    name = values.protocol(value, Given("", "-p", ""))
    if values.protocol_number(value) == 0:
        if negated:
            raise fail("rule would never match protocol")
        return []
    return [Match("", "-p", name, negated)]


def networks(option: str, value: str, negated: bool, family: str) -> list[list[Match]]:
    """``-s A,B``: the conditions of one rule for each address; none where the whole of IP is meant."""
    words = value.split(",")
    if negated and len(words) > 1:
        raise fail("! not allowed with multiple source or destination IP addresses")
    found = [network(word, family) for word in words]
    return [[] if text.endswith("/0") and not negated else [Match("", option, text, negated)] for text in found]


def network(value: str, family: str) -> str:
    """``10.0.0.0/24``; a mask with gaps is printed as one: ``10.0.0.0/255.0.255.0``."""
    width = 128 if family == "ip6" else 32
    base, slash, mask = value.partition("/")
    cover = _mask(mask, width) if slash else ip.mask(width, width)
    number = _host(base, family) if cover or base == "" else 0
    if number is None:
        raise fail(f"host/network `{base}' not found")
    prefix = cover.bit_count()
    shown = str(prefix) if cover == ip.mask(prefix, width) else ip.text(cover, width)
    return f"{ip.text(number & cover, width)}/{shown}"


def _mask(value: str, width: int) -> int:
    prefix = values.within(value, 0, width)
    if prefix is not None:
        return ip.mask(prefix, width)
    found = values.address(value, "ip6" if width == 128 else "ip")
    if found is None:
        raise fail(f"invalid mask `{value}' specified")
    return found


def _host(value: str, family: str) -> int | None:
    """xtables.c: numeric_to_ipaddr(): parts that are not said are 0, and one large number is a whole address."""
    if value == "localhost":
        return LOCALHOST[family]
    if family == "ip6":
        return values.address(value, family)
    parts = [values.within(part, 0, 255) for part in value.split(".")]
    if len(parts) <= 4 and None not in parts:
        return sum((part or 0) << (24 - 8 * n) for n, part in enumerate(parts))
    return values.within(value, 0, values.ALL_BITS)


def base_and_mask(cidr: str) -> tuple[int, int]:
    """(network number, mask as a number) of a printed network."""
    base, _, mask = cidr.partition("/")
    width = ip.bits(base)
    cover = ip.mask(int(mask or width), width) if mask.isdecimal() or not mask else ip.number(mask)
    return ip.number(base), cover
