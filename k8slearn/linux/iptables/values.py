"""The values of iptables' options: each is read from what a person typed, and kept in the form that is printed.

A *reader* takes the word and what it was given for (`Given`) and returns the canonical text; it raises CommandError in
iptables' own words where the word means nothing. The names of the readers are those of iptables' own types
(``libxtables/xtoptions.c``: ``XTTYPE_UINT32``, ``XTTYPE_MARKMASK32``, ``XTTYPE_PORTRC``, ...).

Left out: names that a resolver would have to look up (``-s www.example.com``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from k8slearn.linux import ip
from k8slearn.linux.iptables import names
from k8slearn.linux.iptables.words import fail

ALL_BITS = 0xFFFFFFFF


class Given(NamedTuple):
    """What a value was given for."""

    extension: str
    option: str
    family: str
    protocol: str = ""
    """What ``-p`` has said so far."""


Reader = Callable[[str, Given], str]


def text(value: str, given: Given) -> str:
    """Any word, as it is."""
    return value


def not_modelled(value: str, given: Given) -> str:
    """An option that iptables has and that is refused here in a sentence of ours."""
    raise fail(f'{given.extension}: option "{given.option}" is not modelled here')


def whole(value: str) -> int | None:
    """A number as C's ``strtoul`` with base 0 reads it: decimal, 0x hexadecimal or 0 octal; None where it is none."""
    found = re.fullmatch(r"\s*\+?(?:(0[xX][0-9a-fA-F]+)|(0[0-7]*)|([1-9]\d*))", value)
    if found is None:
        return None
    return int(found[1], 16) if found[1] else int(found[2] or "0", 8) if found[2] else int(found[3])


def within(value: str, low: int, high: int) -> int | None:
    number = whole(value)
    return number if number is not None and low <= number <= high else None


def number(low: int, high: int) -> Reader:
    """A whole number from `low` to `high`."""

    def read(value: str, given: Given) -> str:
        found = within(value, low, high)
        if found is None:
            raise out_of_range(given, f" ({low}-{high}).")
        return str(found)

    return read


def out_of_range(given: Given, bounds: str) -> Exception:
    return fail(f'{given.extension}: bad value for option "{given.option}", or out of range{bounds}\n')


def span(high: int) -> Reader:
    """One number, or two with a colon: ``100``, ``100:200``, ``:200``, ``100:``."""

    def read(value: str, given: Given) -> str:
        low_text, colon, high_text = value.partition(":")
        ends = [within(low_text or "0", 0, high), within(high_text or str(high), 0, high)]
        if not value or None in ends[: 1 + bool(colon)]:
            near = (low_text if ends[0] is None else high_text) or value
            bounds = f'near "{near}", or out of range (0-{high}).\n'
            raise fail(f'{given.extension}: bad value for option "{given.option}" {bounds}')
        return f"{ends[0]}:{ends[1]}" if colon and ends[0] != ends[1] else str(ends[0])

    return read


def hexadecimal(value: str, given: Given) -> str:
    """A 32-bit number, printed in hexadecimal."""
    found = within(value, 0, ALL_BITS)
    if found is None:
        raise out_of_range(given, f" (0-{ALL_BITS}).")
    return f"0x{found:x}"


def mark_and_mask(value: str, given: Given) -> tuple[int, int]:
    """``VALUE[/MASK]``."""
    mark, slash, mask = value.partition("/")
    found, cover = within(mark, 0, ALL_BITS), within(mask, 0, ALL_BITS) if slash else ALL_BITS
    if found is None or cover is None:
        raise fail(f'{given.extension}: bad integer value for option "{given.option}", or out of range.\n')
    return found, cover


def mark(value: str, given: Given) -> str:
    """``0x4000/0x4000``; a mask with all its bits set is not printed."""
    found, mask = mark_and_mask(value, given)
    return f"0x{found:x}" if mask == ALL_BITS else f"0x{found:x}/0x{mask:x}"


def one_of(wanted: Collection[str], words: str, *, upper: bool = False) -> Reader:
    """One word out of a few; `words` is the complaint, with ``{}`` where the wrong word stands."""

    def read(value: str, given: Given) -> str:
        found = value.upper() if upper else value
        if found not in wanted:
            raise fail(words.format(value))
        return found

    return read


def some_of(order: Sequence[str], words: str) -> Reader:
    """Words with commas between them, in any case; printed in iptables' own order."""

    def read(value: str, given: Given) -> str:
        said = [word.upper() for word in value.split(",")]
        wrong = next((n for n, word in enumerate(said) if word not in order), None)
        if wrong is not None:
            raise fail(words.format(value.split(",")[wrong]))
        return ",".join(word for word in order if word in said)

    return read


def some_of_lower(order: Sequence[str], words: str) -> Reader:
    """The same for words in small letters."""

    def read(value: str, given: Given) -> str:
        wrong = next((word for word in value.split(",") if word not in order), None)
        if wrong is not None:
            raise fail(words.format(wrong))
        return ",".join(word for word in order if word in value.split(","))

    return read


def port_number(value: str, *protocols: str) -> int | None:
    """A port as a number or a service's name."""
    found = within(value, 0, 65535)
    return names.service(value, *protocols) if found is None else found


def a_port(value: str, *protocols: str) -> int:
    found = port_number(value, *protocols)
    if found is None:
        raise fail(f"invalid port/service `{value}' specified")
    return found


def ports(value: str, given: Given) -> str:
    """``--dport 80``, ``--dport 1000:2000``, ``--dport :80``; a service's name becomes its number."""
    low_text, colon, high_text = value.partition(":")
    known = ("sctp",) if given.extension == "sctp" else ()
    low = a_port(low_text, *known) if low_text or not colon else 0
    high = (a_port(high_text, *known) if high_text else 65535) if colon else low
    if low > high:
        raise fail("invalid portrange (min > max)")
    return str(low) if low == high else f"{low}:{high}"


def many_ports(value: str, given: Given) -> str:
    """multiport's list: 15 ports at most, a range counts as two."""
    if given.protocol not in ("tcp", "udp", "udplite", "sctp", "dccp"):
        only = "multiport only works with TCP, UDP, UDPLITE, SCTP and DCCP"
        needs = "multiport needs `-p tcp', `-p udp', `-p udplite', `-p sctp' or `-p dccp'"
        raise fail(only if given.protocol else needs)
    out: list[str] = []
    room = 15
    for word in value.split(","):
        low, colon, high = word.partition(":")
        ends = [a_port(end) for end in ((low, high) if colon else (low,))]
        room -= len(ends)
        if room < 0:
            raise fail("too many ports specified")
        if colon and ends[0] >= ends[1]:
            raise fail("invalid portrange specified")
        out.append(":".join(map(str, ends)))
    return ",".join(out)


def conntrack_ports(value: str, given: Given) -> str:
    """``--ctorigdstport 80`` or ``1000:2000``."""
    ends = []
    for word in value.split(":", 1):
        found = port_number(word)
        if found is None:
            raise fail(f'Port "{word}" does not resolve to anything.\n')
        ends.append(found)
    return ":".join(map(str, dict.fromkeys(ends)))


def tcp_flags(value: str, given: Given) -> str:
    """``SYN,ACK SYN``: which flags are looked at, and which of them must be set."""
    return " ".join(_flags(half) for half in value.split(" "))


FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG")


def _flags(half: str) -> str:
    said: set[str] = set()
    for word in half.split(","):
        if word.upper() not in (*FLAGS, "ALL", "NONE"):
            raise fail(f"Unknown TCP flag `{word}'")
        said |= set(FLAGS) if word.upper() == "ALL" else {word.upper()}
    return ",".join(flag for flag in FLAGS if flag in said) or "NONE"


def protocol_number(value: str) -> int:
    """A protocol by its name or number."""
    found = within(value, 0, 255)
    found = names.PROTOCOLS.get(value.lower()) if found is None else found
    if found is None:
        raise fail(f'unknown protocol "{value}" specified')
    return found


def protocol(value: str, given: Given) -> str:
    """``tcp``; a protocol without a name is its number."""
    found = protocol_number(value)
    return names.PROTOCOL_NAMES.get(found, str(found))


def host_and_mask(value: str, given: Given) -> str:
    """``10.0.0.1`` or ``10.0.0.0/8``, as conntrack's matches print addresses: a full mask is not said."""
    base, slash, mask = value.partition("/")
    width = 128 if given.family == "ip6" else 32
    found = address(base, given.family)
    if found is None:
        raise fail("getaddrinfo: Temporary failure in name resolution\n")
    prefix = within(mask, 0, width) if slash else width
    if prefix is None or prefix == width:
        return ip.text(found, width)
    return f"{ip.text(found & ip.mask(prefix, width), width)}/{prefix}"


def address(value: str, family: str) -> int | None:
    """An address as ``inet_aton`` or ``inet_pton`` reads it (``10.1`` is 10.0.0.1 to the first), or None."""
    try:
        return ip.number(value) if (":" in value) == (family == "ip6") else None
    except ValueError:
        return None


def plain_address(value: str, given: Given) -> str:
    """A whole address without a mask."""
    found = address(value, given.family)
    if found is None:
        raise fail("getaddrinfo: Temporary failure in name resolution\n")
    return ip.text(found, 128 if given.family == "ip6" else 32)


def address_range(value: str, given: Given) -> str:
    """iprange's ``FIRST-LAST``; one address is a range of one."""
    first, dash, last = value.partition("-")
    out = []
    for word in (first, last if dash else first):
        found = address(word, given.family)
        if found is None:
            raise fail(f'iprange: Bad value for "{given.option}" option: "{word}"')
        out.append(ip.text(found, 128 if given.family == "ip6" else 32))
    return "-".join(out)


def interface(value: str, given: Given) -> str:
    if not value:
        raise fail("Empty interface is likely to be undesired")
    if len(value) > 15:
        raise fail(f"interface name `{value}' must be shorter than IFNAMSIZ (15)")
    return value


def mac(value: str, given: Given) -> str:
    octets = value.split(":")
    if len(octets) != 6 or not all(re.fullmatch(r"[0-9a-fA-F]{1,2}", octet) for octet in octets):
        raise fail("Invalid MAC address specified.")
    return ":".join(f"{int(octet, 16):02x}" for octet in octets)


def probability(value: str, given: Given) -> str:
    """A chance as the kernel keeps it, in 31 bits."""
    try:
        chance = float(value)
    except ValueError:
        chance = -1.0
    if not 0 <= chance <= 1:
        raise out_of_range(given, " (0-1).")
    return f"{round(chance * 0x80000000) / 0x80000000:.11f}"


SCALE = 10000
UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
UNIT_NAMES = {"day": 86400, "hour": 3600, "min": 60, "sec": 1}


def rate(value: str, given: Given) -> str:
    """``5/minute`` as limit prints it: the kernel keeps the time between two packets in units of 0.1 ms."""
    amount, slash, unit = value.partition("/")
    per = next((s for name, s in UNITS.items() if unit and name.startswith(unit.lower())), 0) if slash else 1
    digits = re.match(r"\s*\d+", amount)
    count = int(digits[0]) if digits else 0
    if not per or not count:
        raise fail(f'bad rate "{value}"\'')
    if count / per > SCALE:
        raise fail(f'Rate too fast "{value}"')
    amount, _, unit = rate_text(SCALE * per // count).partition("/")
    return rate_text(SCALE * UNIT_NAMES[unit] // int(amount))  # nftables keeps it as packets in a unit of time


def rate_text(interval: int) -> str:
    """libxt_limit.c: print_rate(): the longest unit in which the number comes out even."""
    best = ("day", SCALE * 86400)
    for name, seconds in list(UNIT_NAMES.items())[1:]:
        ticks = SCALE * seconds
        if interval > ticks or ticks // interval < ticks % interval:
            break
        best = (name, ticks)
    return f"{best[1] // interval}/{best[0]}"


def log_level(value: str, given: Given) -> str:
    found = within(value, 0, 7)
    found = names.LEVELS.get(value) if found is None else found
    if found is None:
        raise fail(f'log level "{value}" unknown\n')
    return str(found)


def prefix(longest: int) -> Reader:
    """A log prefix: what is too long is cut, nothing at all is refused."""

    def read(value: str, given: Given) -> str:
        if not value:
            raise fail("Argument must have a minimum length of 1 characters\n")
        return value[:longest]

    return read


def icmp_type(known: Mapping[str, str], name: str) -> Reader:
    """``echo-request``, ``8``, ``8/0`` or ``any``; printed in numbers. The start of a name will do."""

    def read(value: str, given: Given) -> str:
        found = [word for word in known if value and word.lower().startswith(value.lower())]
        if value.lower() in (word.lower() for word in known):
            found = [next(word for word in known if word.lower() == value.lower())]
        if len(found) > 1:
            raise fail(f"Ambiguous {name} type `{value}': `{found[0]}' or `{found[1]}'?")
        return known[found[0]] if found else _numbers(value, name)

    return read


def _numbers(value: str, name: str) -> str:
    kind, slash, code = value.partition("/")
    if re.fullmatch(r"\d+:\d+", kind):
        raise fail(f"{name} type range not supported")
    if within(kind, 0, 255) is None:
        raise fail(f"Unknown {name} type `{value}'")
    if slash and within(code, 0, 255) is None:
        raise fail(f"Unknown {name} code `{value}'")
    return f"{whole(kind)}/{whole(code)}" if slash else str(whole(kind))


def set_and_sides(value: str, given: Given) -> str:
    """``NAME src,dst``: a set, and which end of the packet each part of its elements means."""
    name, _, words = value.partition(" ")
    if len(name) > 31:
        raise fail(f"setname `{name}' too long, max 31 characters.")
    sides = words.split(",")
    if len(sides) > 6:
        raise fail("Can't be more src/dst options than 6.")
    if not set(sides) <= {"src", "dst"}:
        raise fail("You must spefify (the comma separated list of) 'src' or 'dst'.")
    return value


def at_most(longest: int) -> Reader:
    """A text of at most so many bytes."""

    def read(value: str, given: Given) -> str:
        if len(value.encode()) > longest:
            words = f"Argument must have a maximum length of {longest} characters\n"
            raise fail(words)
        return value

    return read


u8, u16, u32 = number(0, 255), number(0, 65535), number(0, ALL_BITS)
positive = number(1, ALL_BITS)
icmp4 = icmp_type(names.ICMP, "ICMP")
icmp6 = icmp_type(names.ICMP6, "ICMPv6")
