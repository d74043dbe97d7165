"""An ipset element as text: ``10.0.0.1,tcp:80``, ``10.0.0.0/8,eth0``, and ranges that stand for several elements.

Left out: names that a resolver would have to look up, ``physdev:`` before an interface.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from k8slearn.errors import CommandError
from k8slearn.linux import ip
from k8slearn.linux.ipset import PARTS, IpSet
from k8slearn.linux.iptables import names
from k8slearn.linux.iptables.values import whole

VERSION = "v7.17"
ORDINAL = ("First", "Second", "Third")


def fail(words: str, code: int = 1) -> CommandError:
    """ipset's way to refuse."""
    hint = "Try `ipset help' for more information.\n" if code == 2 else ""
    return CommandError(f"ipset {VERSION}: {words}\n{hint}", code)


def syntax(words: str) -> CommandError:
    return fail(f"Syntax error: {words}")


def number(text: str, low: int, high: int) -> int:
    """A whole number in its bounds."""
    found = whole(text)
    if found is None:
        raise syntax(f"'{text}' is invalid as number")
    if not low <= found <= high:
        raise syntax(f"'{text}' is out of range {low}-{high}")
    return found


def elements(row: IpSet, text: str, testing: bool = False) -> Iterator[tuple[str, ...]]:
    """Every element that the text stands for, in order. Raises CommandError in ipset's words."""
    kinds = PARTS[row.kind]
    words = text.split(",")
    if len(words) > 1 and len(kinds) == 1:
        raise syntax(f"Elem separator in {text}, but settype {row.kind} supports none.")
    if len(words) < len(kinds):
        raise syntax(f"{ORDINAL[len(words)]} element is missing from {text}.")
    if len(words) > len(kinds):
        raise syntax(f"{ORDINAL[len(kinds)] if len(kinds) < 3 else 'Fourth'} elem separator in {text}")
    yield from product(*(list(_part(row, kind, word, testing)) for kind, word in zip(kinds, words, strict=True)))


def _part(row: IpSet, kind: str, word: str, testing: bool) -> Iterator[str]:
    if kind == "ip":
        return _addresses(row, word)
    if kind == "net":
        return _networks(row, word)
    if kind == "iface":
        return _interface(word)
    return _ports(row, word) if kind == "port" else _numbers(word)


def _width(row: IpSet) -> int:
    return 128 if row.family == "inet6" else 32


def address(row: IpSet, word: str) -> int:
    """The number of an address of the set's own IP."""
    try:
        if (":" in word) == (row.family == "inet6"):
            return ip.number(word)
    except ValueError:
        pass
    raise syntax(f"cannot parse {word}: resolving to IPv{'6' if row.family == 'inet6' else '4'} address failed")


def span(row: IpSet, word: str) -> tuple[int, int]:
    """First and last address of ``A``, ``A/LENGTH`` or ``A-B``."""
    width = _width(row)
    base, slash, length = word.partition("/")
    if slash:
        prefix = number(length, 0, width)
        mask = ip.mask(prefix, width)
        first = address(row, base) & mask
        return first, first | ~mask & (1 << width) - 1
    low, dash, high = word.partition("-")
    first = address(row, low)
    last = address(row, high) if dash else first
    return min(first, last), max(first, last)


def _addresses(row: IpSet, word: str) -> Iterator[str]:
    if row.family == "inet6" and ("/" in word or "-" in word):
        raise syntax(f"plain IP address must be supplied: {word}")
    first, last = span(row, word)
    if last - first >= 1 << 16:
        raise fail("more than 65,536 addresses at once are not modelled here")
    for value in range(first, last + 1):
        if value == 0 and row.kind.startswith("hash") and first == last:
            raise fail("Null-valued element, cannot be stored in a hash type of set")
        yield ip.text(value, _width(row))


def _networks(row: IpSet, word: str) -> Iterator[str]:
    """A network, or the fewest networks that make up a range."""
    width = _width(row)
    first, last = span(row, word)
    if "-" in word and row.family == "inet6":
        raise syntax(f"cannot parse {word}: resolving to IPv6 address failed")
    while first <= last:
        free = (first & -first).bit_length() - 1 if first else width
        bits = min(free, (last - first + 1).bit_length() - 1)
        if bits == width and row.kind != "hash:net,iface":
            raise fail("The value of the CIDR parameter of the IP address is invalid")
        yield f"{ip.text(first, width)}/{width - bits}"
        first += 1 << bits


def _interface(word: str) -> Iterator[str]:
    if len(word) > 15:
        raise syntax(f"interface name '{word}' is longer than 15 characters")
    yield word


def _numbers(word: str) -> Iterator[str]:
    """A bitmap's ports: a protocol may be said, and is not kept."""
    low, dash, high = word.rpartition(":")[2].partition("-")
    first = number(low, 0, 65535)
    for value in range(first, (number(high, 0, 65535) if dash else first) + 1):
        yield str(value)


def _ports(row: IpSet, word: str) -> Iterator[str]:
    """``80``, ``tcp:80-90``, ``icmp:echo-request``, ``gre:0``."""
    name, colon, rest = word.rpartition(":")
    protocol = names.PROTOCOLS.get(name.lower()) if colon else 6
    if protocol is None:
        raise syntax(f"cannot parse '{name}' as a protocol")
    shown = names.PROTOCOL_NAMES.get(protocol, str(protocol))
    if shown in ("icmp", "ipv6-icmp"):
        known = names.ICMP if shown == "icmp" else names.ICMP6
        kind, _, code = known.get(rest, rest).partition("/")
        yield f"{shown}:{number(kind, 0, 255)}/{number(code or '0', 0, 255)}"
    elif shown in ("tcp", "udp", "sctp", "udplite"):
        low, dash, high = rest.partition("-")
        first = _port(low, shown)
        for value in range(first, (_port(high, shown) if dash else first) + 1):
            yield f"{shown}:{value}"
    else:
        yield f"{shown}:{number(rest, 0, 0)}"


def _port(word: str, protocol: str) -> int:
    found = names.service(word, protocol)
    if found is None:
        found = whole(word)
        wrong = f"'{word}' is invalid as number" if found is None else f"'{word}' is out of range 0-65535"
        if found is None or found > 65535:
            about = f"Syntax error: '{protocol}' is invalid as number\ncannot parse '{word}' as a {protocol} port"
            raise syntax(f"{wrong}\n{about}")
    return found


def text(row: IpSet, parts: tuple[str, ...]) -> str:
    """The element as ``ipset list`` prints it."""
    whole_length = f"/{_width(row)}"
    return ",".join(
        _shown(kind, part).removesuffix(whole_length) for kind, part in zip(PARTS[row.kind], parts, strict=True)
    )


def _shown(kind: str, part: str) -> str:
    protocol, _, code = part.partition(":") if kind == "port" else ("", "", "")
    if protocol not in ("icmp", "ipv6-icmp"):
        return part
    known = names.ICMP if protocol == "icmp" else names.ICMP6
    word = next((name for name, value in known.items() if value == code), None)
    word = word or next((name for name, value in known.items() if code == f"{value}/0"), code)
    return f"{protocol}:{word}"
