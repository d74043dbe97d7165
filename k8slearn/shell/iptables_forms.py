"""How each match and target writes itself into the last column of ``iptables -L``.

Every extension has a form of its own for people (``tcp dpt:80``, ``/* a comment */``); `MATCHES` and `TARGETS` are
those forms. `numeric` is ``-n``.

Left out: nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from k8slearn.linux.iptables.names import ICMP, ICMP6, LEVEL_NAMES, SERVICE_NAMES
from k8slearn.linux.iptables.text import instances, quoted
from k8slearn.linux.iptables.values import ALL_BITS
from k8slearn.linux.rules import Match, Rule

Form = Callable[[list[Match], bool], str]


def matches_form(rule: Rule, numeric: bool) -> list[str]:
    """Each ``-m`` of a rule in its own form."""
    proto = next((m.value for m in rule.matches if not m.module and m.option == "-p"), "")
    told = [instance for instance in instances(rule) if instance[0].module]
    return [
        _multiport(one, numeric, proto) if one[0].module == "multiport" else MATCHES[one[0].module](one, numeric)
        for one in told
    ]


def target_form(rule: Rule, numeric: bool) -> str:
    """The target in its own form; a chain or a plain verdict has none."""
    if rule.goto or rule.target not in TARGETS:
        return ""
    return TARGETS[rule.target](dict(rule.options), numeric)


def _bang(match: Match) -> str:
    return "! " if match.negated else ""


def _worded(matches: list[Match], numeric: bool) -> str:
    """``ctstate NEW``: the option's own name and its value."""
    return " ".join(f"{_bang(m)}{m.option.removeprefix('--')} {m.value}".rstrip() for m in matches)


def _ports(matches: list[Match], numeric: bool) -> str:
    """``tcp dpt:80``, ``udp spts:1000:2000``."""
    words = [matches[0].module]
    for match in matches:
        bang = "!" if match.negated else ""
        if match.option == "--tcp-flags":
            words.append(f"flags:{bang}{_flags(match.value, numeric)}")
        elif match.option:
            kind = match.option.removeprefix("--")[0] + "pt" + ("s" if ":" in match.value else "")
            shown = ":".join(_service(port, match.module, numeric) for port in match.value.split(":"))
            words.append(f"{kind}:{bang}{shown}")
    return " ".join(words)


def _service(port: str, proto: str, numeric: bool) -> str:
    return port if numeric else SERVICE_NAMES.get(proto, {}).get(port, port)


BITS = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "NONE": 0}


def _flags(value: str, numeric: bool) -> str:
    """``--tcp-flags FIN,SYN,RST,ACK SYN``: which flags are looked at, and which of them must be set."""
    halves = value.split(" ")
    if not numeric:
        return "/".join(halves)
    return "/".join(f"0x{sum(BITS[name] for name in half.split(',')):02X}" for half in halves)


def _named(known: Mapping[str, str]) -> dict[str, str]:
    return {value: name for name, value in reversed(list(known.items()))}


def _icmp(known: Mapping[str, str], label: str) -> Form:
    names = _named(known)

    def form(matches: list[Match], numeric: bool) -> str:
        match = matches[0]
        if not numeric and match.value in names:
            return f"{label} {'!' if match.negated else ''}{names[match.value]}"
        kind, _, code = match.value.replace("any", "255").partition("/")
        told = f"{label} !type {kind}" if match.negated else f"{label}type {kind}"
        return told + (f" code {code}" if code else "")

    return form


def _mark(label: str, gap: str) -> Form:
    return lambda matches, numeric: f"{label} match {_bang(matches[0]) or gap}{matches[0].value}"


def _statistic(matches: list[Match], numeric: bool) -> str:
    told = {match.option: match for match in matches}
    words = ["statistic mode", told["--mode"].value]
    for option in ("--probability", "--every", "--packet"):
        if option in told and told[option].value != "0":
            words.append(f"{_bang(told[option])}{option.removeprefix('--')} {told[option].value}")
    return " ".join(words)


def _addrtype(matches: list[Match], numeric: bool) -> str:
    words = ["ADDRTYPE match"]
    for match in matches:
        name = match.option.removeprefix("--")
        limit = {"limit-iface-in": "limit-in", "limit-iface-out": "limit-out"}.get(name)
        words.append(limit or f"{name} {'!' if match.negated else ''}{match.value}")
    return " ".join(words)


def _multiport(matches: list[Match], numeric: bool, proto: str) -> str:
    match = matches[0]
    groups = match.value.split(",")
    shown = ",".join(":".join(_service(p, proto, numeric) for p in group.split(":")) for group in groups)
    return f"multiport {match.option.removeprefix('--')} {' !' if match.negated else ''}{shown}"


RECENT = {"--set": "SET", "--rcheck": "CHECK", "--update": "UPDATE", "--remove": "REMOVE"}
RECENT_WORDS = {
    **{"--seconds": "seconds: ", "--reap": "reap", "--hitcount": "hit_count: ", "--rttl": "TTL-Match"},
    **{"--name": "name: ", "--rsource": "side: source", "--rdest": "side: dest", "--mask": "mask: "},
}


def _recent(matches: list[Match], numeric: bool) -> str:
    told = {match.option: match for match in matches}
    action = next(option for option in RECENT if option in told)
    said = [f"{RECENT_WORDS[option]}{told[option].value}" for option in RECENT_WORDS if option in told]
    return f"{_bang(told[action])}recent: {' '.join([RECENT[action], *said])}"


def _physdev(matches: list[Match], numeric: bool) -> str:
    return "PHYSDEV match " + " ".join(f"{_bang(m)}{m.option} {m.value}".rstrip() for m in matches)


def _limit(matches: list[Match], numeric: bool) -> str:
    told = {match.option: match.value for match in matches}
    return f"limit: avg {told['--limit']} burst {told.get('--limit-burst', '5')}"


def _iprange(matches: list[Match], numeric: bool) -> str:
    sides = {"--src-range": "source", "--dst-range": "destination"}
    return " ".join(f"{sides[m.option]} IP range {_bang(m)}{m.value}" for m in matches)


def _hops(label: str) -> Form:
    signs = {"eq": "==", "lt": "<", "gt": ">"}

    def form(matches: list[Match], numeric: bool) -> str:
        match = matches[0]
        sign = "!=" if match.negated else signs[match.option[-2:]]
        return f"{label} match {label} {sign} {match.value}"

    return form


def _rpfilter(matches: list[Match], numeric: bool) -> str:
    return " ".join(["rpfilter", *(m.option.removeprefix("--") for m in matches if m.option)])


MATCHES: Mapping[str, Form] = {
    "comment": lambda matches, numeric: f"/* {matches[0].value} */",
    "conntrack": _worded,
    "state": _worded,
    "mark": _mark("mark", ""),
    "connmark": _mark("connmark", " "),
    "statistic": _statistic,
    "addrtype": _addrtype,
    "set": _worded,
    "recent": _recent,
    "tcp": _ports,
    "udp": _ports,
    "sctp": _ports,
    "icmp": _icmp(ICMP, "icmp"),
    "icmp6": _icmp(ICMP6, "ipv6-icmp"),
    "physdev": _physdev,
    "limit": _limit,
    "iprange": _iprange,
    "mac": lambda matches, numeric: f"MAC {_bang(matches[0])}{matches[0].value}",
    "length": lambda matches, numeric: f"length {'!' if matches[0].negated else ''}{matches[0].value}",
    "ttl": _hops("TTL"),
    "hl": _hops("HL"),
    "pkttype": lambda matches, numeric: f"PKTTYPE {'!=' if matches[0].negated else '='} {matches[0].value}",
    "rpfilter": _rpfilter,
}

Told = Mapping[str, str]


def _set_mark(label: str) -> Callable[[Told, bool], str]:
    """``MARK or 0x4000``: the shortest word for what --set-xmark does."""

    def form(told: Told, numeric: bool) -> str:
        value, _, mask = told["--set-xmark"].partition("/")
        number, bits = int(value, 16), int(mask, 16)
        if number == 0:
            return f"{label} and 0x{~bits & ALL_BITS:x}"
        if number == bits:
            return f"{label} or 0x{number:x}"
        if bits == 0:
            return f"{label} xor 0x{number:x}"
        return f"{label} set 0x{number:x}" if bits == ALL_BITS else f"{label} xset 0x{number:x}/0x{bits:x}"

    return form


def _connmark(told: Told, numeric: bool) -> str:
    if "--set-xmark" in told:
        return _set_mark("CONNMARK")(told, numeric)
    move, first, second = ("save", "nfmask", "ctmask") if "--save-mark" in told else ("restore", "ctmask", "nfmask")
    masks = {name: told[f"--{name}"] for name in ("nfmask", "ctmask")}
    if masks["nfmask"] == masks["ctmask"]:
        return f"CONNMARK {move}" + ("" if masks["nfmask"] == f"0x{ALL_BITS:x}" else f" mask {masks['nfmask']}")
    return f"CONNMARK {move} {first} {masks[first]} {second} ~{masks[second]}"


def _words(told: Told) -> list[str]:
    return [f"{option.removeprefix('--')} {value}".rstrip() for option, value in told.items()]


def _to(option: str) -> Callable[[Told, bool], str]:
    def form(told: Told, numeric: bool) -> str:
        return " ".join([f"to:{told[option]}", *(o.removeprefix("--") for o in told if o != option)])

    return form


def _to_ports(label: str) -> Callable[[Told, bool], str]:
    def form(told: Told, numeric: bool) -> str:
        words = [f"{label} {told['--to-ports']}"] if "--to-ports" in told else []
        return " ".join([*words, *(o.removeprefix("--") for o in told if o.startswith("--random"))])

    return form


LOG_FLAGS = ("--log-tcp-sequence", "--log-tcp-options", "--log-ip-options", "--log-uid", "--log-macdecode")


def _log(told: Told, numeric: bool) -> str:
    level = told.get("--log-level", "4")
    prefix = f' prefix "{told["--log-prefix"]}"' if "--log-prefix" in told else ""
    if numeric:
        flags = sum(1 << n for n, flag in enumerate((*LOG_FLAGS[:4], "", LOG_FLAGS[4])) if flag in told)
        return f"LOG flags {flags} level {level}{prefix}"
    said = "".join(f" {flag.removeprefix('--log-')}" for flag in LOG_FLAGS if flag in told)
    return f"LOG level {LEVEL_NAMES[int(level)]}{said}{prefix}"


def _nflog(told: Told, numeric: bool) -> str:
    return " ".join(f"{o.removeprefix('--')} {quoted(v) if o == '--nflog-prefix' else v}" for o, v in told.items())


TARGETS: Mapping[str, Callable[[Told, bool], str]] = {
    "REJECT": lambda told, numeric: f"reject-with {told['--reject-with']}",
    "DNAT": _to("--to-destination"),
    "SNAT": _to("--to-source"),
    "MASQUERADE": _to_ports("masq ports:"),
    "REDIRECT": _to_ports("redir ports"),
    "MARK": _set_mark("MARK"),
    "CONNMARK": _connmark,
    "CT": lambda told, numeric: " ".join(["CT", *_words(told)]),
    "NOTRACK": lambda told, numeric: "NOTRACK",
    "LOG": _log,
    "NFLOG": _nflog,
    "TCPMSS": lambda told, numeric: (
        f"TCPMSS set {told['--set-mss']}" if "--set-mss" in told else "TCPMSS clamp to PMTU"
    ),
    "CHECKSUM": lambda told, numeric: "CHECKSUM fill",
    "SET": lambda told, numeric: " ".join(_words(told)),
}
