"""How iptables prints chains: ``-L`` as a table for people, ``-S`` as the commands that would make them.

Every match and target writes itself into the last column in a form of its own; `MATCHES` and `TARGETS` are those forms.

Left out: counters (always 0), names for addresses, and most names for ports.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from k8slearn.journal import World
from k8slearn.linux.iptables import rule_text
from k8slearn.linux.rules import BUILT_IN, Chain, Match, Rule

PROTOCOLS = {"all": "0", "icmp": "1", "tcp": "6", "udp": "17", "gre": "47", "sctp": "132"}
SERVICES = {
    **{"22": "ssh", "25": "smtp", "53": "domain", "80": "http", "110": "pop3", "123": "ntp", "143": "imap2"},
    **{"443": "https", "3306": "mysql", "5432": "postgresql", "6379": "redis", "8080": "http-alt"},
}
ICMP = {"8": "echo-request", "0": "echo-reply", "3/1": "host-unreachable", "3": "destination-unreachable"}
ALL_BITS = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Listing:
    """How ``-L`` was asked: ``-n``, ``-v``, ``--line-numbers``, and the number of the only rule wanted."""

    numeric: bool = False
    verbose: bool = False
    numbers: bool = False
    only: int = 0


def chain_list(world: World, netns: str, table: str) -> list[str]:
    """The chains of a table: the built-in ones by hook, then a person's own by name."""
    keys = [key for key in world.table(netns, "chain") if isinstance(key, tuple) and key[:2] == ("ip", table)]
    return [*BUILT_IN[table], *sorted(str(key[2]) for key in keys if key[2] not in BUILT_IN[table])]


def specification(chains: Sequence[tuple[str, Chain]], verbose: bool, only: int) -> str:
    """``-S``."""
    zero = " -c 0 0" if verbose else ""
    lines = [f"-P {name} {c.policy}{zero}" if c.policy else f"-N {name}" for name, c in chains if not only]
    for name, chain in chains:
        for number, rule in enumerate(chain.rules, 1):
            if only in (0, number):
                lines.append(f"-A {name} {_with_counters(rule) if verbose else rule_text(rule)}".rstrip())
    return "".join(f"{line}\n" for line in lines)


def _with_counters(rule: Rule) -> str:
    matches = rule_text(Rule(rule.matches))
    jump = rule_text(Rule((), rule.target, rule.options, rule.goto))
    return " ".join(word for word in (matches, "-c 0 0", jump) if word)


def listing(chains: Sequence[tuple[str, Chain, int]], how: Listing) -> str:
    """``-L``: (name, chain, number of references) of each chain."""
    if how.only:
        return "".join(_row(rule, n, how) for _, c, _ in chains for n, rule in enumerate(c.rules, 1) if n == how.only)
    return "\n".join(_chain(name, chain, references, how) for name, chain, references in chains)


def _chain(name: str, chain: Chain, references: int, how: Listing) -> str:
    counters = " 0 packets, 0 bytes" if how.verbose else ""
    about = f"policy {chain.policy}{counters}" if chain.policy else f"{references} references"
    columns = "num  " if how.numbers else ""
    columns += " pkts bytes target     prot opt in     out    " if how.verbose else "target     prot opt"
    head = f"Chain {name} ({about})\n{columns} {'source':<20} {'destination':<20}\n"
    return head + "".join(_row(rule, number, how) for number, rule in enumerate(chain.rules, 1))


def _row(rule: Rule, number: int, how: Listing) -> str:
    plain = {match.option: match for match in rule.matches if not match.module}
    line = f"{number:<4} " if how.numbers else ""
    line += f"{0:>5} {0:>5} " if how.verbose else ""
    line += f"{rule.target:<9} {_protocol(plain.get('-p'), how)} -- "
    if how.verbose:
        line += f" {_device(plain.get('-i')):<6} {_device(plain.get('-o')):<6} "
    line += _address(plain.get("-s"), how) + _address(plain.get("-d"), how)
    line += "[goto] " if rule.goto else ""
    words = [text for text in (*_matches(rule, how), _target(rule, how)) if text]
    return line + "".join(f" {text}" for text in words) + "\n"


def _protocol(match: Match | None, how: Listing) -> str:
    name = match.value if match is not None else "all"
    shown = PROTOCOLS.get(name, name) if how.numeric else name
    return f"{'!' if match is not None and match.negated else ' '}{shown:<4}"


def _device(match: Match | None) -> str:
    return "*" if match is None else f"{'!' if match.negated else ''}{match.value}"


def _address(match: Match | None, how: Listing) -> str:
    if match is None:
        return f" {'0.0.0.0/0' if how.numeric else 'anywhere':<19} "
    return f"{'!' if match.negated else ' '}{match.value.removesuffix('/32'):<19} "


def _matches(rule: Rule, how: Listing) -> list[str]:
    modules: dict[str, list[Match]] = {}
    for match in rule.matches:
        if match.module:
            modules.setdefault(match.module, []).append(match)
    return [MATCHES[name](matches, how) if name in MATCHES else name for name, matches in modules.items()]


def _bang(match: Match) -> str:
    return "! " if match.negated else ""


def _worded(matches: list[Match], how: Listing) -> str:
    """``ctstate NEW``: the option's own name and its value."""
    return " ".join(f"{_bang(m)}{m.option.removeprefix('--')} {m.value}".rstrip() for m in matches)


def _ports(matches: list[Match], how: Listing) -> str:
    """``tcp dpt:80``, ``udp spts:1000:2000``."""
    words = [matches[0].module]
    for match in matches:
        bang = "!" if match.negated else ""
        if match.option in ("--tcp-flags", "--syn"):
            words.append(f"flags:{bang}{_flags(match.value or 'FIN,SYN,RST,ACK SYN', how)}")
            continue
        if not match.option:
            continue
        kind = match.option.removeprefix("--")[0] + "pt" + ("s" if ":" in match.value else "")
        words.append(f"{kind}:{bang}{':'.join(_service(port, match, how) for port in match.value.split(':'))}")
    return " ".join(words)


def _service(port: str, match: Match, how: Listing) -> str:
    return port if how.numeric or match.module == "sctp" else SERVICES.get(port, port)


BITS = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "NONE": 0}


def _flags(value: str, how: Listing) -> str:
    """``--tcp-flags FIN,SYN,RST,ACK SYN``: which flags are looked at, and which of them must be set."""
    halves = value.split(" ")
    if not how.numeric:
        return "/".join(halves)
    return "/".join(f"0x{sum(BITS[name] for name in half.split(',')):02X}" for half in halves)


def _icmp(matches: list[Match], how: Listing) -> str:
    match = matches[0]
    kind, _, code = match.value.partition("/")
    bang = "!" if match.negated else ""
    if how.numeric:
        return f"icmptype {bang}{kind}" + (f" code {code}" if code else "")
    return f"icmp {bang}{ICMP.get(match.value, f'type {kind}' + (f' code {code}' if code else ''))}"


def _statistic(matches: list[Match], how: Listing) -> str:
    told = {match.option: match for match in matches}
    words = ["statistic mode", told["--mode"].value]
    for option in ("--probability", "--every", "--packet"):
        if option in told and told[option].value != "0":
            words.append(f"{_bang(told[option])}{option.removeprefix('--')} {told[option].value}")
    return " ".join(words)


def _addrtype(matches: list[Match], how: Listing) -> str:
    words = ["ADDRTYPE match"]
    for match in matches:
        name = match.option.removeprefix("--")
        limit = {"limit-iface-in": "limit-in", "limit-iface-out": "limit-out"}.get(name)
        words.append(limit or f"{name} {'!' if match.negated else ''}{match.value}")
    return " ".join(words)


def _multiport(matches: list[Match], how: Listing) -> str:
    match = matches[0]
    ports = ",".join(":".join(_service(p, match, how) for p in word.split(":")) for word in match.value.split(","))
    return f"multiport {match.option.removeprefix('--')} {' !' if match.negated else ''}{ports}"


def _physdev(matches: list[Match], how: Listing) -> str:
    return "PHYSDEV match " + " ".join(f"{_bang(m)}{m.option} {m.value}".rstrip() for m in matches)


def _limit(matches: list[Match], how: Listing) -> str:
    told = {match.option: match.value for match in matches}
    return f"limit: avg {told.get('--limit', '3/hour')} burst {told.get('--limit-burst', '5')}"


MATCHES: Mapping[str, Callable[[list[Match], Listing], str]] = {
    "comment": lambda matches, how: f"/* {matches[0].value} */",
    "conntrack": _worded,
    "state": _worded,
    "mark": lambda matches, how: f"mark match {_bang(matches[0])}{matches[0].value}",
    "statistic": _statistic,
    "addrtype": _addrtype,
    "tcp": _ports,
    "udp": _ports,
    "sctp": _ports,
    "icmp": _icmp,
    "multiport": _multiport,
    "physdev": _physdev,
    "limit": _limit,
}


def _target(rule: Rule, how: Listing) -> str:
    if rule.target == "LOG":
        return _log(dict(rule.options), how)
    return TARGETS[rule.target](dict(rule.options)) if rule.target in TARGETS else ""


def _mark(told: Mapping[str, str]) -> str:
    """``MARK or 0x4000``: the shortest word for what --set-xmark does."""
    value, _, mask = told.get("--set-xmark", "0x0/0xffffffff").partition("/")
    number, bits = int(value, 16), int(mask or hex(ALL_BITS), 16)
    if number == 0:
        return f"MARK and 0x{~bits & ALL_BITS:x}"
    if number == bits:
        return f"MARK or 0x{number:x}"
    if bits == 0:
        return f"MARK xor 0x{number:x}"
    return f"MARK set 0x{number:x}" if bits == ALL_BITS else f"MARK xset 0x{number:x}/0x{bits:x}"


def _masquerade(told: Mapping[str, str]) -> str:
    words = [f"masq ports: {told['--to-ports']}"] if "--to-ports" in told else []
    return " ".join([*words, *(option.removeprefix("--") for option in told if option.startswith("--random"))])


LEVELS = dict(zip("01234567", ("emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"), strict=True))


def _log(told: Mapping[str, str], how: Listing) -> str:
    level = told.get("--log-level", "4")
    prefix = f' prefix "{told["--log-prefix"]}"' if "--log-prefix" in told else ""
    return (f"LOG flags 0 level {level}" if how.numeric else f"LOG level {LEVELS.get(level, level)}") + prefix


TARGETS: Mapping[str, Callable[[Mapping[str, str]], str]] = {
    "REJECT": lambda told: f"reject-with {told['--reject-with']}",
    "DNAT": lambda told: f"to:{told['--to-destination']}",
    "SNAT": lambda told: f"to:{told['--to-source']}" + (" random-fully" if "--random-fully" in told else ""),
    "MASQUERADE": _masquerade,
    "REDIRECT": lambda told: f"redir ports {told['--to-ports']}" if "--to-ports" in told else "",
    "MARK": _mark,
    "CT": lambda told: "CT notrack",
}
