"""IPv4 addresses and networks: text in the world, numbers while somebody computes.

Python's `ipaddress` makes an object for each look; a packet's walk asks too often for that, so the
numbers behind a text are remembered.

Left out: IPv6.
"""

from __future__ import annotations

from functools import lru_cache

ANY = "0.0.0.0/0"


@lru_cache(maxsize=1 << 18)
def number(address: str) -> int:
    """The 32-bit number of a dotted address; ValueError where it is none."""
    parts = address.split(".")
    if len(parts) != 4 or not all(p.isdecimal() and len(p) <= 3 and int(p) < 256 for p in parts):
        raise ValueError(f"{address!r} is not an IPv4 address")
    return (int(parts[0]) << 24) | (int(parts[1]) << 16) | (int(parts[2]) << 8) | int(parts[3])


def text(value: int) -> str:
    """The dotted form of a 32-bit number."""
    return f"{value >> 24 & 255}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}"


def mask(prefix: int) -> int:
    """The number of a netmask with this many leading ones."""
    return (0xFFFFFFFF << (32 - prefix)) & 0xFFFFFFFF


@lru_cache(maxsize=1 << 16)
def network(cidr: str) -> tuple[int, int]:
    """(network number, prefix length) of ``10.244.1.0/24``; host bits are dropped, no prefix means /32."""
    address, _, length = cidr.partition("/")
    prefix = int(length) if length else 32
    if not 0 <= prefix <= 32:
        raise ValueError(f"{cidr!r}: a prefix length is 0 to 32")
    return number(address) & mask(prefix), prefix


@lru_cache(maxsize=1 << 18)
def within(address: str, cidr: str) -> bool:
    """Is the address in the network?"""
    base, prefix = network(cidr)
    return number(address) & mask(prefix) == base


def network_of(address: str, prefix: int) -> str:
    """The network, in CIDR form, that an address with this prefix length is in."""
    return f"{text(number(address) & mask(prefix))}/{prefix}"


@lru_cache(maxsize=1 << 12)
def is_loopback(address: str) -> bool:
    return address.startswith("127.")


@lru_cache(maxsize=1 << 12)
def is_multicast(address: str) -> bool:
    return 224 <= int(address.partition(".")[0]) <= 239
