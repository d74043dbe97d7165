"""IP addresses and networks of both families: text in the world, numbers while somebody computes.

Python's `ipaddress` makes an object for each look; a packet's walk asks too often for that, so the numbers behind a
text are remembered. An IPv6 address is kept in its one canonical form (RFC 5952): `canonical` makes it.

An address counts in a **scope**: on the whole internet, on one link, in one machine (`SCOPES`)::

    127.0.0.0/8       host
    ::1/128           host
    fe80::/10         link
    fec0::/10         site
    everything else   global

Where the C library reads no IPv6 address (Python in a browser, WebAssembly), `ipaddress` reads them.

Left out: zones (``fe80::1%eth0``): the tools take them off before they come here.
"""

from __future__ import annotations

from functools import lru_cache
from socket import AF_INET6, inet_ntop, inet_pton


def _six_by_hand() -> bool:
    """Does the C library know nothing of IPv6?"""
    try:
        return inet_pton(AF_INET6, "ff02::1:ff00:0")[:2] != b"\xff\x02"
    except OSError:
        return True


if _six_by_hand():
    from ipaddress import IPv6Address

    def inet_pton(family: int, ip_string: str, /) -> bytes:
        try:
            return IPv6Address(ip_string).packed
        except ValueError as wrong:
            raise OSError(str(wrong)) from None

    def inet_ntop(family: int, packed_ip: bytes, /) -> str:  # type: ignore[misc]  # typeshed knows more kinds of bytes
        return str(IPv6Address(packed_ip))


ANY = "0.0.0.0/0"
ANY6 = "::/0"


def bits(address: str) -> int:
    """How many bits an address (or a network) of this family has: 32 or 128."""
    return 128 if ":" in address else 32


@lru_cache(maxsize=1 << 18)
def number(address: str) -> int:
    """The 32- or 128-bit number of an address; ValueError where it is none."""
    if ":" in address:
        try:
            return int.from_bytes(inet_pton(AF_INET6, address))
        except OSError:
            raise ValueError(f"{address!r} is not an IPv6 address") from None
    parts = address.split(".")
    if len(parts) != 4 or not all(p.isdecimal() and p.isascii() and len(p) <= 3 and int(p) < 256 for p in parts):
        raise ValueError(f"{address!r} is not an IPv4 address")
    return (int(parts[0]) << 24) | (int(parts[1]) << 16) | (int(parts[2]) << 8) | int(parts[3])


def text(value: int, width: int = 32) -> str:
    """The text of a 32-bit number, or of a 128-bit one (`width` 128)."""
    if width == 128:
        return inet_ntop(AF_INET6, value.to_bytes(16))
    return f"{value >> 24 & 255}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}"


def canonical(address: str) -> str:
    """The one form in which an address is kept; ValueError where it is none."""
    return text(number(address), bits(address))


def is_address(word: str) -> bool:
    """Is this an address of either family (and no name)?"""
    try:
        number(word)
    except ValueError:
        return False
    return True


def mask(prefix: int, width: int = 32) -> int:
    """The number of a netmask with this many leading ones."""
    full = (1 << width) - 1
    return (full << (width - prefix)) & full


@lru_cache(maxsize=1 << 16)
def network(cidr: str) -> tuple[int, int]:
    """(network number, prefix length) of ``10.244.1.0/24``; host bits are dropped, no prefix means all bits."""
    address, _, length = cidr.partition("/")
    width = bits(address)
    prefix = int(length) if length else width
    if not 0 <= prefix <= width:
        raise ValueError(f"{cidr!r}: a prefix length is 0 to {width}")
    return number(address) & mask(prefix, width), prefix


@lru_cache(maxsize=1 << 18)
def within(address: str, cidr: str) -> bool:
    """Is the address in the network? (An address of the other family never is.)"""
    base, prefix = network(cidr)
    width = bits(address)
    return width == bits(cidr) and number(address) & mask(prefix, width) == base


def network_of(address: str, prefix: int) -> str:
    """The network, in CIDR form, that an address with this prefix length is in."""
    width = bits(address)
    return f"{text(number(address) & mask(prefix, width), width)}/{prefix}"


@lru_cache(maxsize=1 << 12)
def is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"


@lru_cache(maxsize=1 << 12)
def is_multicast(address: str) -> bool:
    if ":" in address:
        return address[:2] == "ff"
    return 224 <= int(address.partition(".")[0]) <= 239


def is_link_local(address: str) -> bool:
    """fe80::/10: an address that counts on its own link only."""
    return ":" in address and number(address) >> 118 == 0b1111111010


def eui64(mac: str) -> str:
    """The link-local address that the kernel makes of a MAC (RFC 4291, appendix A): ``fe80::ff:fe00:10``."""
    octets = [int(octet, 16) for octet in mac.split(":")]
    host = bytes([octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]])
    return text(0xFE80 << 112 | int.from_bytes(host), 128)


SCOPES = {"127.0.0.0/8": "host", "::1/128": "host", "fe80::/10": "link", "fec0::/10": "site"}
"""Network -> how far its addresses count (``ip addr``'s default for IPv4; `ipv6_addr_type`, RFC 4291)."""


@lru_cache(maxsize=1 << 12)
def scope(address: str) -> str:
    """How far an address counts: ``host``, ``link``, ``site`` or ``global``."""
    return next((scope for network, scope in SCOPES.items() if within(address, network)), "global")
