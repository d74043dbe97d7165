"""What a value in a rule or a set may be: an address, a port, a mark, a state, ... with nft's names for them.

Every field of a packet, and every key of a set, has a type: it says how a word becomes a value, how a value is
printed, and in which order a listing stands. A value here is what a packet carries: addresses as text
(``"10.96.0.10"``), ports and marks as numbers, names as nft prints them (``"tcp"``, ``"echo-request"``), sets of bits
(states, TCP flags) as a number. So the key of a set's element is found by what is read from the packet, unchanged.

Left out: Ethernet, ARP, VLAN, time and user types; ``/etc/services``, names of hosts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from k8slearn.linux import ip

Value = str | int
PROTOCOLS = {
    "ip": 0, "icmp": 1, "igmp": 2, "ggp": 3, "ipencap": 4, "st": 5, "tcp": 6, "egp": 8, "igp": 9, "pup": 12,
    "udp": 17, "ipv6": 41, "ipv6-route": 43, "ipv6-frag": 44, "gre": 47, "esp": 50, "ah": 51, "ipv6-icmp": 58,
    "ipv6-nonxt": 59, "ipv6-opts": 60, "ospf": 89, "ipip": 94, "sctp": 132, "udplite": 136,
}  # fmt: skip
"""The names of /etc/protocols that a cluster may meet; `icmpv6` is read as ``ipv6-icmp``."""
ICMP = {
    "echo-reply": 0, "destination-unreachable": 3, "source-quench": 4, "redirect": 5, "echo-request": 8,
    "router-advertisement": 9, "router-solicitation": 10, "time-exceeded": 11, "parameter-problem": 12,
    "timestamp-request": 13, "timestamp-reply": 14, "info-request": 15, "info-reply": 16,
    "address-mask-request": 17, "address-mask-reply": 18,
}  # fmt: skip
ICMP6 = {
    "destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3, "parameter-problem": 4,
    "echo-request": 128, "echo-reply": 129, "mld-listener-query": 130, "mld-listener-report": 131,
    "mld-listener-done": 132, "nd-router-solicit": 133, "nd-router-advert": 134, "nd-neighbor-solicit": 135,
    "nd-neighbor-advert": 136, "nd-redirect": 137, "router-renumbering": 138,
}  # fmt: skip
ICMP_CODES = {
    "net-unreachable": 0, "host-unreachable": 1, "prot-unreachable": 2, "port-unreachable": 3,
    "frag-needed": 4, "net-prohibited": 9, "host-prohibited": 10, "admin-prohibited": 13,
}  # fmt: skip
ICMP6_CODES = {"no-route": 0, "admin-prohibited": 1, "addr-unreachable": 3, "port-unreachable": 4,
               "policy-fail": 5, "reject-route": 6}  # fmt: skip
ICMPX_CODES = {"no-route": 0, "port-unreachable": 1, "host-unreachable": 2, "admin-prohibited": 3}
STATES = {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}
STATUSES = {"expected": 1, "seen-reply": 2, "assured": 4, "confirmed": 8, "snat": 16, "dnat": 32, "dying": 512}
TCP_FLAGS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128}
FIB = {"unspec": 0, "unicast": 1, "local": 2, "broadcast": 3, "anycast": 4, "multicast": 5, "blackhole": 6,
       "unreachable": 7, "prohibit": 8}  # fmt: skip
SERVICES = {"ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "domain": 53, "tftp": 69, "http": 80, "ntp": 123,
            "snmp": 161, "bgp": 179, "https": 443, "mysql": 3306, "postgresql": 5432}  # fmt: skip


@dataclass(frozen=True, eq=False, slots=True)
class Type:
    """One data type, as ``nft describe`` shows it; there is one object for each."""

    name: str
    says: str
    """What error messages call it."""
    bits: int
    names: Mapping[str, int] = field(default_factory=dict, repr=False)
    """Symbols and their numbers; a value with a symbol is kept as that."""
    aliases: Mapping[str, str] = field(default_factory=dict, repr=False)
    flags: bool = False
    """May several symbols be true at once (``established,related``)?"""
    hexadecimal: bool = False
    host: bool = False
    """Is it kept in the machine's own byte order (which decides where a concatenation stands in a listing)?"""
    row: int = 1
    """How many elements stand in one line of a listing."""


TYPES: Mapping[str, Type] = {
    t.name: t
    for t in (
        Type("ipv4_addr", "IPv4 address", 32, row=2),
        Type("ipv6_addr", "IPv6 address", 128),
        Type("inet_proto", "Internet protocol", 8, PROTOCOLS, {"icmpv6": "ipv6-icmp"}, row=5),
        Type("inet_service", "internet network service", 16, row=5),
        Type("mark", "packet mark", 32, hexadecimal=True, host=True, row=5),
        Type("ifname", "network interface name", 128, host=True),
        Type("iface_index", "network interface index", 32, host=True, row=5),
        Type("nf_proto", "netfilter protocol", 8, {"ipv4": 2, "ipv6": 10}, host=True, row=5),
        Type("icmp_type", "ICMP type", 8, ICMP),
        Type("icmp_code", "icmp code", 8, ICMP_CODES),
        Type("icmpv6_type", "ICMPv6 type", 8, ICMP6),
        Type("icmpv6_code", "icmpv6 code", 8, ICMP6_CODES),
        Type("ct_state", "conntrack state", 32, STATES, flags=True, host=True, row=5),
        Type("ct_dir", "conntrack direction", 8, {"original": 0, "reply": 1}, host=True, row=5),
        Type("ct_status", "conntrack status", 32, STATUSES, flags=True, host=True, row=5),
        Type("fib_addrtype", "fib address type", 32, FIB, host=True),
        Type("tcp_flag", "TCP flag", 8, TCP_FLAGS, flags=True, row=5),
        Type("boolean", "boolean type", 1, {"missing": 0, "exists": 1}, host=True),
        Type("integer", "integer", 32, row=5),
        Type("verdict", "verdict", 32),
    )
}
BYTE, SHORT = Type("integer", "integer", 8, row=5), Type("integer", "integer", 16, row=5)
"""Numbers of fewer bits: a TTL, a length."""


def number(kind: Type, value: Value) -> int:
    """The bits that the kernel compares."""
    if kind.name in ("ipv4_addr", "ipv6_addr"):
        return ip.number(str(value))
    if kind.name in ("ifname", "iface_index") and not isinstance(value, int):
        return int.from_bytes(str(value).encode(), "little")
    return value if isinstance(value, int) else kind.names.get(value, -1)


def value_of(kind: Type, bits: int) -> Value:
    """The value that these bits mean; the inverse of `number`."""
    if kind.name in ("ipv4_addr", "ipv6_addr"):
        return ip.text(bits, kind.bits)
    if kind.flags:
        return bits
    return next((name for name, n in kind.names.items() if n == bits), bits)


def text(kind: Type, value: Value) -> str:
    """A value as ``nft list`` prints it."""
    if kind.name in ("ifname", "iface_index") and not isinstance(value, int):
        return f'"{value}"'
    if kind.hexadecimal:
        return f"0x{value:08x}"
    if kind.flags and isinstance(value, int):
        return ",".join(flag_names(kind, value)) or f"0x{value:x}"
    return str(value)


def flag_names(kind: Type, bits: int) -> list[str]:
    """The symbols whose bits are set, in nft's order; empty where a bit has none."""
    found = [name for name, n in kind.names.items() if bits & n]
    return found if sum(kind.names[name] for name in found) == bits else []


def read(kind: Type, word: str) -> Value:
    """A value from one word; ValueError says in nft's words why it is none."""
    reader = READERS.get(kind.name)
    if reader is not None:
        return reader(word)
    word = kind.aliases.get(word, word)
    if word in kind.names:
        return kind.names[word] if kind.flags else word
    if not word[:1].isdigit():
        raise ValueError(f"Could not parse {kind.says}")
    bits = _integer(word)
    if bits >= 1 << kind.bits:
        raise ValueError(f"Value {bits} exceeds valid range 0-{(1 << kind.bits) - 1}")
    return value_of(kind, bits)


def _integer(word: str) -> int:
    try:
        return int(word, 0) if word.lower().startswith("0x") else int(word)
    except ValueError:
        raise ValueError("Could not parse integer") from None


def _address(bits: int) -> Callable[[str], Value]:
    def read(word: str) -> Value:
        if word == "localhost":
            return "127.0.0.1" if bits == 32 else "::1"
        try:
            if ip.bits(word) == bits:
                return ip.canonical(word)
        except ValueError:
            pass
        raise ValueError("Could not resolve hostname: Name or service not known")

    return read


def _service(word: str) -> Value:
    if word in SERVICES:
        return SERVICES[word]
    if not word[:1].isdigit():
        raise ValueError("Could not resolve service: Servname not supported for ai_socktype")
    port = _integer(word)
    if port > 65535:
        raise ValueError("Service out of range")
    return port


def _device(word: str) -> Value:
    if word == "*":
        raise ValueError("All-wildcard strings are not supported")
    if len(word) > 15:
        raise ValueError("String exceeds maximum length of 16")
    return word


READERS: Mapping[str, Callable[[str], Value]] = {
    "ipv4_addr": _address(32),
    "ipv6_addr": _address(128),
    "inet_service": _service,
    "ifname": _device,
    "iface_index": lambda word: 0 if word == "0" else _device(word),
}


def order(kinds: tuple[Type, ...], values: tuple[Value, ...]) -> int:
    """Where an element stands in a listing (`mergesort.c`): by its bits; a concatenation is laid out as in memory and
    then read as one number of the machine's own byte order, so that its last part counts most."""
    if len(kinds) == 1:
        return number(kinds[0], values[0])
    laid_out = b"".join(_bytes(kind, value) for kind, value in zip(kinds, values, strict=True))
    return int.from_bytes(laid_out, "little")


def _bytes(kind: Type, value: Value) -> bytes:
    size = (kind.bits + 7) // 8
    return number(kind, value).to_bytes(size, "little" if kind.host else "big")
