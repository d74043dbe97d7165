"""What iptables and the kernel refuse although the rule can be read.

Each match and target was made for certain tables, hooks and protocols (``xt_check_match``, ``xt_check_target``), and
the kernel follows every jump from the built-in chains: none may go in a circle, none deeper than 16, and no target may
be reached from a hook that is not its own (``nf_tables_api.c: nft_chain_validate``). All that it says is an errno's
words.

Left out: limits on the number of rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from k8slearn.errors import CommandError
from k8slearn.linux import ipset
from k8slearn.linux.iptables import TARGETS, VERSION, fail
from k8slearn.linux.iptables.target_options import NOT_MODELLED
from k8slearn.linux.rules import BUILT_IN, Rule
from k8slearn.shell.iptables_tables import Tables

TABLES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("DNAT", "SNAT", "MASQUERADE", "REDIRECT"), ("nat",)),
    **{"REJECT": ("filter",), "CT": ("raw",), "NOTRACK": ("raw",), "CHECKSUM": ("mangle",)},
    "-m rpfilter": ("raw", "mangle"),
}
"""A target (or ``-m`` match) -> the tables that it works in; every table where it is not here."""
HOOKS: Mapping[str, tuple[str, ...]] = {
    "DNAT": ("PREROUTING", "OUTPUT"),
    "REDIRECT": ("PREROUTING", "OUTPUT"),
    "SNAT": ("POSTROUTING", "INPUT"),
    "MASQUERADE": ("POSTROUTING",),
    "REJECT": ("INPUT", "FORWARD", "OUTPUT"),
    "-m rpfilter": ("PREROUTING",),
    "-m mac": ("PREROUTING", "INPUT", "FORWARD"),
}
"""A target or match -> the hooks that it works at, however a packet came to it."""
PORTS = ("tcp", "udp", "sctp", "dccp")
MULTIPORT = (*PORTS, "udplite")
FAMILIES = {"ip": "inet", "ip6": "inet6"}
DEPTH = 16
"""How many chains a packet may be down at most (``NFT_JUMP_STACK_SIZE``)."""


def check_rule(rule: Rule, tables: Tables, chain: str, doing: str) -> None:
    """Raise CommandError as iptables does. `doing` is netlink's word for it, empty when the rule is only looked for."""
    plain = {match.option: match for match in rule.matches if not match.module}
    if "-i" in plain and chain in ("OUTPUT", "POSTROUTING"):
        raise fail(f"Can't use -i with {chain}\n")
    if "-o" in plain and chain in ("INPUT", "PREROUTING"):
        raise fail(f"Can't use -o with {chain}\n")
    protocol = plain["-p"].value if "-p" in plain else ""
    inverted = bool(protocol) and plain["-p"].negated
    _check_ports(rule, "" if inverted else protocol)
    for name in ipset.names_in(rule):
        found: ipset.IpSet | None = tables.world.get((tables.netns, "ipset", name))
        if found is None:
            raise fail(f"Set {name} doesn't exist.\n")
        if found.family not in ("", FAMILIES[tables.family]):
            family = "IPv6" if found.family == "inet6" else "IPv4"
            raise fail(f"The protocol family of set {name} is {family}, which is not applicable.\n")
    if jumps(rule) and not tables.later and tables.find(rule.target) is None:
        raise fail(f"Chain '{rule.target}' does not exist")
    if doing:
        words = _objection(rule, tables, chain, "" if inverted else protocol)
        if words:
            raise refused(doing, words, chain)


def refused(doing: str, words: str, chain: str) -> CommandError:
    return CommandError(f"iptables {VERSION}:  {doing} failed ({words}): rule in chain {chain}\n", 4)


def _check_ports(rule: Rule, protocol: str) -> None:
    """Ports need a protocol that has them."""
    for match in rule.matches:
        if match.module == "multiport" and protocol not in MULTIPORT:
            raise fail("multiport only works with TCP, UDP, UDPLITE, SCTP and DCCP")
        if match.module in ("tcp", "udp") and match.option and _protocol(rule) != match.module:
            raise fail(f"{match.module.upper()} match requires '-p {match.module}'")


def _protocol(rule: Rule) -> str:
    return next((match.value for match in rule.matches if match.option == "-p" and not match.module), "")


def _objection(rule: Rule, tables: Tables, chain: str, protocol: str) -> str:
    """The errno's words of what the kernel sees in the rule by itself, or nothing."""
    if rule.target in BUILT_IN[tables.table]:
        return "Operation not supported"
    users = _users(rule)
    if any(tables.table not in TABLES.get(user, (tables.table,)) for user in users):
        return "Invalid argument"
    here = chain in BUILT_IN[tables.table]
    if here and any(chain not in HOOKS.get(user, (chain,)) for user in users):
        return "Invalid argument"
    wrong = any(test(rule, protocol, chain if here else "") for test in OBJECTIONS)
    return "Invalid argument" if wrong else ""


def _told(rule: Rule, option: str) -> bool:
    return any(match.option == option for match in rule.matches) or any(o == option for o, _ in rule.options)


def _anything(rule: Rule, protocol: str, hook: str) -> bool:
    """``! -s 0.0.0.0/0`` can never be."""
    return any(m.option in ("-s", "-d") and m.negated and m.value.endswith("/0") for m in rule.matches)


def _of_protocol(rule: Rule, protocol: str, hook: str) -> bool:
    wanted = {"tcp": "tcp", "udp": "udp", "sctp": "sctp", "icmp": "icmp", "icmp6": "ipv6-icmp"}
    return any(
        match.module in wanted and protocol != wanted[match.module] and _strict(match.module, match.option)
        for match in rule.matches
    )


def _strict(module: str, option: str) -> bool:
    """nftables looks at TCP's and UDP's ports by itself, and does not ask xt_tcp about the protocol."""
    return not (module in ("tcp", "udp") and option)


def _reset(rule: Rule, protocol: str, hook: str) -> bool:
    return ("--reject-with", "tcp-reset") in rule.options and protocol != "tcp"


def _mss(rule: Rule, protocol: str, hook: str) -> bool:
    """It changes TCP only, and the path's MTU is known on the way out only (``xt_TCPMSS.c: tcpmss_tg4_check``)."""
    if rule.target != "TCPMSS":
        return False
    clamps = _told(rule, "--clamp-mss-to-pmtu")
    return protocol != "tcp" or (clamps and hook in ("PREROUTING", "INPUT"))


def _addrtype(rule: Rule, protocol: str, hook: str) -> bool:
    return (_told(rule, "--limit-iface-in") and hook in ("OUTPUT", "POSTROUTING")) or (
        _told(rule, "--limit-iface-out") and hook in ("PREROUTING", "INPUT")
    )


def _physdev(rule: Rule, protocol: str, hook: str) -> bool:
    """What a local process sends has no bridge port yet (``xt_physdev.c: physdev_mt_check``)."""
    bridged = any(match.option == "--physdev-is-bridged" and not match.negated for match in rule.matches)
    out = _told(rule, "--physdev-out") or _told(rule, "--physdev-is-out")
    return out and not bridged and hook == "OUTPUT"


def _recent(rule: Rule, protocol: str, hook: str) -> bool:
    """Only who asks counts seconds and hits (``xt_recent.c: recent_mt_check``)."""
    asks = _told(rule, "--rcheck") or _told(rule, "--update")
    counts = _told(rule, "--seconds") or _told(rule, "--hitcount") or _told(rule, "--rttl")
    nameless = any(match.option == "--name" and not match.value for match in rule.matches)
    return any(match.module == "recent" for match in rule.matches) and ((counts and not asks) or nameless)


OBJECTIONS: tuple[Callable[[Rule, str, str], bool], ...] = (
    *(_anything, _of_protocol, _reset, _mss, _addrtype, _physdev, _recent),
)


def jumps(rule: Rule) -> bool:
    """Does the rule lead to a chain?"""
    return bool(rule.target) and (rule.goto or rule.target not in TARGETS)


def objection_to_jumps(tables: Tables, new: Mapping[str, tuple[Rule, ...]]) -> str:
    """The errno's words of what the kernel finds when it follows every jump from the built-in chains, or nothing.
    `new`: chains whose rules will be these."""
    walk = _Reach(tables, new)
    return next((words for hook in BUILT_IN[tables.table] if (words := walk.follow(hook, hook, ()))), "")


class _Reach:
    """A walk over all jumps; what was seen from a hook at a depth need not be seen again less deep."""

    def __init__(self, tables: Tables, new: Mapping[str, tuple[Rule, ...]]) -> None:
        self.tables, self.new = tables, new
        self.deepest: dict[tuple[str, str], int] = {}

    def follow(self, hook: str, name: str, way: tuple[str, ...]) -> str:
        if len(way) == DEPTH or name in way:
            return "Too many links"
        if self.deepest.get((hook, name), -1) >= len(way):
            return ""
        self.deepest[hook, name] = len(way)
        rules = self._rules(name)
        if any(hook not in HOOKS.get(user, (hook,)) for rule in rules for user in _users(rule)):
            return "Invalid argument"
        leads = dict.fromkeys(rule.target for rule in rules if jumps(rule))
        return next((words for target in leads if (words := self.follow(hook, target, (*way, name)))), "")

    def _rules(self, name: str) -> tuple[Rule, ...]:
        found = self.tables.find(name)
        return self.new.get(name, found.rules if found is not None else ())


def _users(rule: Rule) -> list[str]:
    """The rule's matches and target by the names of `TABLES` and `HOOKS`."""
    return [*(f"-m {match.module}" for match in rule.matches if match.module), rule.target]


def check_chain_name(
    name: str, family: str, *, exists: bool = False, new: bool = False, restored: bool = False
) -> None:
    """Raise CommandError where iptables takes no such name for a chain."""
    if not (exists or new or restored):
        if name.startswith(("-", "!")):
            raise fail(f"chain name not allowed to start with `{name[0]}'")
        if name in (*TARGETS, *NOT_MODELLED, ""):
            raise fail("chain name may not clash with target name")
    if len(name) > 28:
        raise fail(f"chain name `{name}' too long (must be under 29 chars)")
    if any(letter.isspace() for letter in name) and not (exists or new or restored):
        raise fail(f"Invalid chain name `{name}'")
