"""What may be a name: the API's few forms, with the sentences that the API server says about the others.

Left out: names that only some kinds may have (``system:node`` for a ClusterRole is allowed: path segments).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

Check = Callable[[str], list[str]]
"""A value -> what is wrong with it, in the API server's words."""

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = _LABEL + r"(\." + _LABEL + ")*"
_OLD_LABEL = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"


def too_long(length: int) -> str:
    return f"must be no more than {length} bytes"


def _form(says: str, pattern: str, examples: tuple[str, ...], longest: int) -> Check:
    form = re.compile(pattern)
    like = " or ".join(f"'{e}', " for e in examples)
    sentence = f"{says} (e.g. {like}regex used for validation is '{pattern}')"

    def check(value: str) -> list[str]:
        wrong = [too_long(longest)] if len(value.encode()) > longest else []
        return wrong if len(value) < 1000 and form.fullmatch(value) else [*wrong, sentence]

    return check


label = _form(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character",
    _LABEL,
    ("my-name", "123-abc"),
    63,
)
subdomain = _form(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character",
    _SUBDOMAIN,
    ("example.com",),
    253,
)
old_label = _form(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character",
    _OLD_LABEL,
    ("my-name", "abc-123"),
    63,
)
label_value = _form(
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character",
    _VALUE,
    ("MyValue", "my_value", "12345"),
    63,
)
_name_part = _form(
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character",
    _QUALIFIED,
    ("MyName", "my.name", "123-abc"),
    63,
)
_config_key = _form(
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    r"[-._a-zA-Z0-9]+",
    ("key.name", "KEY_NAME", "key-name"),
    253,
)


def qualified(value: str) -> list[str]:
    """A label's or annotation's key: ``app`` or ``example.com/app``."""
    prefix, slash, name = value.rpartition("/")
    if prefix.count("/") or (slash and not prefix):
        said = (
            "prefix part must be non-empty"
            if slash and not prefix
            else _name_part("?")[0].replace("name part", "a qualified name", 1)
        )
        return [said]
    wrong = [f"prefix part {w}" for w in subdomain(prefix)] if prefix else []
    return wrong + (_name_part(name) if name else ["name part must be non-empty", *_name_part("")])


def config_key(value: str) -> list[str]:
    """A key of a ConfigMap or Secret."""
    return ["must not be '.' or '..'"] if value in (".", "..") else _config_key(value)


def path_segment(value: str) -> list[str]:
    """Names of RBAC objects: anything that fits into a URL's path."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{c}'" for c in "/%" if c in value]


def port_name(value: str) -> list[str]:
    """A container port's name."""
    rules = (
        (len(value) > 15, "must be no more than 15 characters"),
        (
            not re.fullmatch(r"[-a-z0-9]+", value),
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
        ),
        (not re.search(r"[a-z]", value), "must contain at least one letter (a-z)"),
        ("--" in value, "must not contain consecutive hyphens"),
        (value.startswith("-") or value.endswith("-"), "must not begin or end with a hyphen"),
    )
    return [why for wrong, why in rules if wrong]


def port_number(value: int) -> list[str]:
    return [] if 1 <= value <= 65535 else ["must be between 1 and 65535, inclusive"]


def ip(value: str) -> list[str]:
    """An address without a zone; ``010.0.0.1`` is refused as today's API server does."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
    return [] if "%" not in value else ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]


def full_name(value: str) -> list[str]:
    """A name of at least two parts (IsFullyQualifiedDomainName), without the dot at its end."""
    short = [] if value.count(".") else ["should be a domain with at least two segments separated by dots"]
    return subdomain(value) or short


def special_ip(value: str) -> list[str]:
    """Addresses that are no single machine's (ValidateNonSpecialIP): for endpoints and external IPs."""
    address = ipaddress.ip_address(value)
    rules = (
        (address.is_unspecified, f"may not be unspecified ({value})"),
        (address.is_loopback, "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        (address.is_link_local, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
        (_link_local_multicast(address), "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"),
    )
    return [why for wrong, why in rules if wrong]


def _link_local_multicast(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    first = address.packed
    return first[:3] == b"\xe0\x00\x00" if address.version == 4 else first[0] == 0xFF and first[1] & 0x0F == 2


def cidr(value: str) -> list[str]:
    _, slash, prefix = value.partition("/")
    wrong = ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"]
    if not slash or not re.fullmatch(r"0|[1-9][0-9]{0,2}", prefix):
        return wrong
    try:
        ipaddress.ip_interface(value)
    except ValueError:
        return wrong
    return [] if "%" not in value else wrong
