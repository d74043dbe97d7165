"""A rule's target (``-j NAME``) says what becomes of a packet, with options of its own, printed in one order.

What they do to a packet is in `linux/targets.py`.

Left out: the targets in `NOT_MODELLED`, which are refused by name. Any other name without a row is a chain's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from k8slearn.linux import ip
from k8slearn.linux.iptables import values
from k8slearn.linux.iptables.extension import Extension, Option, Said, Told, flag
from k8slearn.linux.iptables.values import ALL_BITS, Given
from k8slearn.linux.iptables.words import fail

REJECTS = {
    "ip": {
        **{f"icmp-{what}-unreachable": f"{what}-unreach" for what in ("net", "host", "proto", "port")},
        **{"icmp-net-prohibited": "net-prohib", "icmp-host-prohibited": "host-prohib", "tcp-reset": "tcp-rst"},
        "icmp-admin-prohibited": "admin-prohib",
    },
    "ip6": {
        **{"icmp6-no-route": "no-route", "icmp6-adm-prohibited": "adm-prohibited"},
        **{"icmp6-addr-unreachable": "addr-unreach", "icmp6-port-unreachable": "port-unreach"},
        **{"tcp-reset": "tcp-reset", "icmp6-policy-fail": "policy-fail", "icmp6-reject-route": "reject-route"},
    },
}
"""Family -> what ``--reject-with`` prints -> its short name. The start of either will do."""


def _reject_with(value: str, given: Given) -> str:
    for full, short in REJECTS[given.family].items():
        if value and (full.lower().startswith(value.lower()) or short.lower().startswith(value.lower())):
            return full
    raise fail(f'unknown reject type "{value}"')


def _reject_complete(told: Told, given: Given) -> Told:
    usual = "icmp6-port-unreachable" if given.family == "ip6" else "icmp-port-unreachable"
    return {"--reject-with": Said(usual), **told}


# --- addresses and ports to translate to -------------------------------------------------------


PORTS = ("tcp", "udp", "sctp", "dccp", "icmp", "ipv6-icmp")


def _nat_address(value: str, given: Given) -> str:
    """``[FIRST[-LAST]][:PORT[-PORT]]``; IPv6 has square brackets around its addresses where a port follows."""
    addresses, colon, port = _halves(value, given.family)
    out = []
    for word in addresses.split("-", 1) if addresses or not colon else ():
        found = values.address(word, given.family)
        if found is None:
            raise fail(f'Bad IP address "{word}"')
        out.append(ip.text(found, 128 if given.family == "ip6" else 32))
    shown = "-".join(dict.fromkeys(out))
    if not colon:
        return shown
    ports = _nat_ports(port, given)
    return f"[{shown}]:{ports}" if shown and given.family == "ip6" else f"{shown}:{ports}"


def _halves(value: str, family: str) -> tuple[str, str, str]:
    if family == "ip":
        return value.partition(":")
    if not value.startswith("["):
        return ("", ":", value[1:]) if re.fullmatch(r":[\w-]+(/\w+)?", value) else (value, "", "")
    inside, bracket, rest = value[1:].partition("]")
    if not bracket or (rest and not rest.startswith(":")):
        raise fail("Invalid address format")
    return inside, rest[:1], rest[1:]


def _nat_ports(value: str, given: Given) -> str:
    """``80``, ``80-90``; the protocol must be one that has ports."""
    if given.protocol not in PORTS:
        raise fail("Need TCP, UDP, SCTP or DCCP with port specification")
    span, slash, _ = value.partition("/")
    if slash and given.extension == "DNAT":
        raise fail("DNAT: a port that counts as the first (80-90/1000) is not modelled here")
    low_text, dash, high_text = span.partition("-")
    low = _port(low_text)
    high = _port(high_text) if dash else low
    if high < low:
        raise fail(f"Port range `{high_text}' funky")
    return str(low) if low == high else f"{low}-{high}"


def _port(value: str) -> int:
    found = values.port_number(value)
    if found is None:
        raise fail(f"Port `{value}' not valid")
    return found


def _redirect_ports(value: str, given: Given) -> str:
    if ":" in value:
        raise fail("Invalid port:port syntax - use dash")
    return _nat_ports(value, given)


# --- marks -------------------------------------------------------------------------------------

MARKS: Mapping[str, Callable[[int, int], tuple[int, int]]] = {
    "--set-xmark": lambda value, mask: (value, mask),
    "--set-mark": lambda value, mask: (value, value | mask),
    "--and-mark": lambda value, mask: (0, ~value & ALL_BITS),
    "--or-mark": lambda value, mask: (value, value),
    "--xor-mark": lambda value, mask: (value, 0),
}
"""Every form of setting a mark, as the two numbers of --set-xmark: mark = (mark & ~mask) ^ value."""


def _mark_form(form: str) -> Option:
    return Option(read=_masked if form in ("--set-xmark", "--set-mark") else values.hexadecimal)


def _masked(value: str, given: Given) -> str:
    found, mask = values.mark_and_mask(value, given)
    return f"0x{found:x}/0x{mask:x}"


def _mark_complete(told: Told, given: Given) -> Told:
    form = next((form for form in MARKS if form in told), None)
    if form is None:
        raise fail("MARK: One of the --set-xmark, --{and,or,xor,set}-mark options is required")
    return {"--set-xmark": Said(_xmark(form, told[form].value, MARKS))}


def _xmark(form: str, value: str, forms: Mapping[str, Callable[[int, int], tuple[int, int]]]) -> str:
    mark, _, mask = value.partition("/")
    bits, cover = forms[form](int(mark, 0), int(mask or hex(ALL_BITS), 0))
    return f"0x{bits:x}/0x{cover:x}"


CONNMARKS = {**MARKS, "--set-mark": lambda value, mask: (value, mask)}
MOVES = ("--save-mark", "--restore-mark")


def _connmark_complete(told: Told, given: Given) -> Told:
    form = next((form for form in CONNMARKS if form in told), None)
    move = next((move for move in MOVES if move in told), None)
    if form is None and move is None:
        raise fail("CONNMARK target: No operation specified")
    if form is not None:
        if any(mask in told for mask in ("--nfmask", "--ctmask", "--mask")):
            raise fail(f"CONNMARK: masks beside {form} are not modelled here")
        return {"--set-xmark": Said(_xmark(form, told[form].value, CONNMARKS))}
    usual = told.get("--mask", Said(f"0x{ALL_BITS:x}"))
    masks = {option: told.get(option, usual) for option in ("--nfmask", "--ctmask")}
    return {str(move): Said(), **masks}


# --- conntrack, logs, MSS, sets ----------------------------------------------------------------


def _zone(value: str, given: Given) -> str:
    found = values.within(value, 0, 65535)
    if found is None and value != "mark":
        raise fail(f"Cannot parse {value} as a zone ID")
    return value if found is None else str(found)


EVENTS = (
    *("new", "related", "destroy", "reply", "assured", "protoinfo", "helper", "mark", "natseqinfo", "secmark"),
    "label",
)


def _quiet(option: str, usual: str) -> Callable[[Told, Given], Told]:
    """An option with its usual value is not printed."""
    return lambda told, given: {o: said for o, said in told.items() if (o, said.value) != (option, usual)}


def _ct_complete(told: Told, given: Given) -> Told:
    """The last zone counts; zone 0 is where every connection is."""
    zones = [option for option in told if option.startswith("--zone")]
    return {o: what for o, what in told.items() if o not in zones[:-1] and (o, what.value) != ("--zone", "0")}


def _nflog_complete(told: Told, given: Given) -> Told:
    return {o: said for o, said in told.items() if said.value != "0" or o == "--nflog-size"}


def _tcpmss_complete(told: Told, given: Given) -> Told:
    if not told:
        raise fail("TCPMSS target: At least one parameter is required")
    last = list(told)[-1]
    return {last: told[last]}


def _set_complete(told: Told, given: Given) -> Told:
    if not any(option in told for option in ("--add-set", "--del-set")):
        raise fail("You must specify either `--add-set' or `--del-set' or `--map-set'")
    for option in ("--exist", "--timeout"):
        if option in told and "--add-set" not in told:
            raise fail(f"Flag `{option}' can be used with `--add-set' only")
    return told


SOURCE_OPTIONS = {"--random": flag(), "--random-fully": flag(), "--persistent": flag()}

TARGETS: Mapping[str, Extension] = {
    "ACCEPT": Extension(),
    "DROP": Extension(),
    "RETURN": Extension(),
    "REJECT": Extension({"--reject-with": Option(read=_reject_with)}, complete=_reject_complete),
    "DNAT": Extension(
        {"--to-destination": Option(read=_nat_address), "--random": flag(), "--persistent": flag()},
        needs=("--to-destination",),
    ),
    "SNAT": Extension({"--to-source": Option(read=_nat_address), **SOURCE_OPTIONS}, needs=("--to-source",)),
    "MASQUERADE": Extension({"--to-ports": Option(read=_nat_ports), "--random": flag(), "--random-fully": flag()}),
    "REDIRECT": Extension({"--to-ports": Option(read=_redirect_ports), "--random": flag()}),
    "MARK": Extension({form: _mark_form(form) for form in MARKS}, apart=(frozenset(MARKS),), complete=_mark_complete),
    "CONNMARK": Extension(
        {
            **{form: _mark_form(form) for form in CONNMARKS},
            **{move: flag() for move in MOVES},
            **{option: Option(read=values.hexadecimal) for option in ("--nfmask", "--ctmask", "--mask")},
        },
        apart=(frozenset({*CONNMARKS, *MOVES}), frozenset({"--nfmask", "--mask"}), frozenset({"--ctmask", "--mask"})),
        complete=_connmark_complete,
    ),
    "CT": Extension(
        {
            "--notrack": flag(),
            "--helper": Option(read=values.not_modelled),
            "--timeout": Option(read=values.not_modelled),
            "--ctevents": Option(read=values.some_of_lower(EVENTS, 'Unknown event type "{}"')),
            **{option: Option(read=_zone) for option in ("--zone-orig", "--zone-reply", "--zone")},
        },
        complete=_ct_complete,
    ),
    "NOTRACK": Extension(),
    "LOG": Extension(
        {
            "--log-prefix": Option(read=values.prefix(29), quoted=True),
            "--log-level": Option(read=values.log_level),
            **{f"--log-{what}": flag() for what in ("tcp-sequence", "tcp-options", "ip-options", "uid", "macdecode")},
        },
        complete=_quiet("--log-level", "4"),
    ),
    "NFLOG": Extension(
        {
            "--nflog-prefix": Option(read=values.prefix(63), quoted=True),
            "--nflog-group": Option(read=values.u16),
            "--nflog-size": Option(read=values.u32),
            "--nflog-threshold": Option(read=values.u16),
        },
        complete=_nflog_complete,
    ),
    "TCPMSS": Extension(
        {"--set-mss": Option(read=values.number(0, 65515)), "--clamp-mss-to-pmtu": flag()}, complete=_tcpmss_complete
    ),
    "CHECKSUM": Extension({"--checksum-fill": flag()}, needs=("--checksum-fill",)),
    "SET": Extension(
        {
            "--add-set": Option(2, values.set_and_sides),
            "--exist": flag(),
            "--timeout": Option(read=values.u32),
            "--del-set": Option(2, values.set_and_sides),
        },
        complete=_set_complete,
    ),
}
NOT_MODELLED = frozenset(
    {
        *("AUDIT", "CLASSIFY", "CLUSTERIP", "CONNSECMARK", "DNPT", "DSCP", "ECN", "HL", "HMARK", "IDLETIMER", "LED"),
        *("NETMAP", "NFQUEUE", "RATEEST", "SECMARK", "SNPT", "SYNPROXY", "TCPOPTSTRIP", "TEE", "TOS", "TPROXY"),
        *("TRACE", "TTL", "ULOG"),
    }
)
"""Targets that iptables has and that are refused here in a sentence of ours."""
