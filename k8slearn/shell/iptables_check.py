"""What iptables and the kernel refuse although the rule can be read.

iptables asks each extension about its own options (`MATCHES`, `TARGETS`). The kernel then checks each target against
the tables and hooks it was made for (``xt_check_target``); all it says of those is "Invalid argument".

Left out: checks that no rule of this cluster can trip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from k8slearn.errors import CommandError
from k8slearn.linux import ip
from k8slearn.linux.iptables import TARGETS as KNOWN
from k8slearn.linux.iptables import VERSION, fail
from k8slearn.linux.rules import BUILT_IN, Match, Rule
from k8slearn.shell.iptables_list import PROTOCOLS, SERVICES

PLACES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "DNAT": (("nat",), ("PREROUTING", "OUTPUT")),
    "REDIRECT": (("nat",), ("PREROUTING", "OUTPUT")),
    "SNAT": (("nat",), ("POSTROUTING", "INPUT")),
    "MASQUERADE": (("nat",), ("POSTROUTING",)),
    "REJECT": (("filter",), ("INPUT", "FORWARD", "OUTPUT")),
    "CT": (("raw",), ("PREROUTING", "OUTPUT")),
}
"""A target -> the tables and the built-in chains that it works in; a person's own chain may be called from any."""
PORTS = ("tcp", "udp", "sctp", "dccp")
STATES = {"INVALID", "NEW", "ESTABLISHED", "RELATED", "UNTRACKED", "SNAT", "DNAT"}
REJECTS = {
    *(f"icmp-{what}-unreachable" for what in ("net", "host", "port", "proto")),
    *("icmp-net-prohibited", "icmp-host-prohibited", "icmp-admin-prohibited", "tcp-reset"),
}
NEEDED = {
    "comment": ("--comment",),
    "mark": ("--mark",),
    "statistic": ("--mode",),
    "DNAT": ("--to-destination",),
    "SNAT": ("--to-source",),
}
"""An extension -> the options that it cannot do without."""
MARK = "MARK: One of the --set-xmark, --{and,or,xor,set}-mark options is required"


def check_rule(rule: Rule, table: str, chain: str, doing: str) -> None:
    """Raise CommandError as iptables does. `doing` is netlink's word for it, empty when the rule is only looked for."""
    for match in rule.matches:
        _check_match(match)
    plain = {match.option: match for match in rule.matches if not match.module}
    if "-i" in plain and chain in ("OUTPUT", "POSTROUTING"):
        raise fail(f"Can't use -i with {chain}\n")
    if "-o" in plain and chain in ("INPUT", "PREROUTING"):
        raise fail(f"Can't use -o with {chain}\n")
    _check_needed(rule)
    protocol = plain["-p"].value if "-p" in plain and not plain["-p"].negated else ""
    _check_target(rule, protocol)
    wrong = ("--reject-with", "tcp-reset") in rule.options and protocol != "tcp"
    if doing and (wrong or not _fits(rule.target, table, chain)):
        complaint = f"iptables {VERSION}:  {doing} failed (Invalid argument): rule in chain {chain}\n"
        raise CommandError(complaint, 4)


def _check_needed(rule: Rule) -> None:
    told = {match.option for match in rule.matches} | {option for option, _ in rule.options}
    modules = [match.module for match in rule.matches]
    for name in (*modules, rule.target):
        for option in NEEDED.get(name, ()):
            if option not in told:
                raise fail(f'{name}: option "{option}" must be specified\n')
    if "conntrack" in modules and not any(option.startswith("--ct") for option in told):
        raise fail("conntrack: At least one option is required")
    if rule.target == "MARK" and not rule.options:
        raise fail(MARK)


def _check_match(match: Match) -> None:
    check = MATCHES.get((match.module, match.option)) or MATCHES.get(("", match.option))
    if check is not None:
        check(match.value)


def _protocol(value: str) -> None:
    if value not in PROTOCOLS and not (value.isdigit() and int(value) < 256):
        raise fail(f'unknown protocol "{value}" specified')


def _device(value: str) -> None:
    if len(value) > 15:
        raise fail(f"interface name `{value}' must be shorter than IFNAMSIZ (15)")


def _ports(value: str) -> None:
    for port in value.replace(",", ":").split(":"):
        if port not in SERVICES.values() and not (port.isdigit() and int(port) < 65536) and value.strip(":"):
            raise fail(f"invalid port/service `{port}' specified")


def _states(value: str) -> None:
    for state in value.split(","):
        if state not in STATES:
            raise fail(f'Bad ctstate "{state}"')


def _probability(value: str) -> None:
    if not 0 <= float(value) <= 1:
        raise fail('statistic: bad value for option "--probability", or out of range (0-1).\n')


MATCHES: Mapping[tuple[str, str], Callable[[str], None]] = {
    ("", "-p"): _protocol,
    ("", "-i"): _device,
    ("", "-o"): _device,
    ("", "--dport"): _ports,
    ("", "--sport"): _ports,
    ("", "--dports"): _ports,
    ("", "--sports"): _ports,
    ("", "--ports"): _ports,
    ("conntrack", "--ctstate"): _states,
    ("statistic", "--probability"): _probability,
}


def _check_target(rule: Rule, protocol: str) -> None:
    options = dict(rule.options)
    if rule.target == "REJECT" and options["--reject-with"] not in REJECTS:
        raise fail(f'unknown reject type "{options["--reject-with"]}"')
    for option in ("--to-destination", "--to-source"):
        address, colon, _ = options.get(option, "").partition(":")
        if colon and protocol not in PORTS:
            raise fail("Need TCP, UDP, SCTP or DCCP with port specification")
        for end in address.split("-") if address else ():
            _address(end)


def _address(value: str) -> None:
    try:
        ip.number(value)
    except ValueError:
        raise fail(f'Bad IP address "{value}"') from None


def _fits(target: str, table: str, chain: str) -> bool:
    tables, chains = PLACES.get(target, ((table,), (chain,)))
    return table in tables and (chain in chains or chain not in BUILT_IN[table])


def check_chain_name(name: str) -> None:
    """Raise CommandError where iptables takes no such name for a chain."""
    if name.startswith(("-", "!")):
        raise fail(f"chain name not allowed to start with `{name[0]}'")
    if name in KNOWN:
        raise fail("chain name may not clash with target name")
    if len(name) > 28:
        raise fail(f"chain name `{name}' too long (must be under 29 chars)")
    if any(letter.isspace() for letter in name):
        raise fail("Invalid chain name")
