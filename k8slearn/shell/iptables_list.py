"""How iptables prints chains: ``-L`` as a table for people, ``-S`` as the commands that would make them.

The last column is every match and target in a form of its own: `iptables_forms.py`.

Left out: names for addresses (except ``localhost``), which a resolver would have to look up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from k8slearn.linux.iptables.names import PROTOCOLS, SERVICE_NAMES
from k8slearn.linux.iptables.text import matches_text, rule_text, target_text
from k8slearn.linux.rules import Chain, Match, Rule
from k8slearn.shell.iptables_forms import matches_form, target_form
from k8slearn.shell.iptables_tables import Counter

SERVICES = {**SERVICE_NAMES["udp"], **SERVICE_NAMES["tcp"]}
"""Port -> the service's name, as programs say it that do not ask for the protocol."""


class Listing(NamedTuple):
    """How ``-L`` was asked: ``-n``, ``-v``, ``--line-numbers``, ``-x``, the only rule wanted, and which IP."""

    numeric: bool = False
    verbose: bool = False
    numbers: bool = False
    exact: bool = False
    only: int = 0
    family: str = "ip"


def specification(chains: Sequence[tuple[str, Chain, list[Counter]]], verbose: bool, only: int) -> str:
    """``-S``."""
    lines = []
    for name, chain, counters in chains if not only else ():
        packets, size = counters[0] or (0, 0)
        counted = f" -c {packets} {size}" if verbose else ""
        lines.append(f"-P {name} {chain.policy}{counted}" if chain.policy else f"-N {name}")
    for name, chain, counters in chains:
        for number, rule in enumerate(chain.rules, 1):
            if only in (0, number):
                text = _with_counters(rule, counters[number]) if verbose else rule_text(rule)
                lines.append(f"-A {name} {text}".rstrip())
    return "".join(f"{line}\n" for line in lines)


def _with_counters(rule: Rule, counter: Counter) -> str:
    packets, size = counter or (0, 0)
    words = (matches_text(rule), f"-c {packets} {size}", target_text(rule))
    return " ".join(word for word in words if word)


def listing(chains: Sequence[tuple[str, Chain, int, list[Counter]]], how: Listing) -> str:
    """``-L``: (name, chain, number of references, counters) of each chain."""
    if how.only:
        rows = ((rule, n, counters) for _, c, _, counters in chains for n, rule in enumerate(c.rules, 1))
        return "".join(_row(rule, n, counters[n], how) for rule, n, counters in rows if n == how.only)
    return "\n".join(_chain(name, chain, references, counters, how) for name, chain, references, counters in chains)


def _chain(name: str, chain: Chain, references: int, counters: list[Counter], how: Listing) -> str:
    packets, size = (_short(value, how.exact).strip() for value in counters[0] or (0, 0))
    told = f" {packets} packets, {size} bytes" if how.verbose else ""
    about = f"policy {chain.policy}{told}" if chain.policy else f"{references} references"
    columns = "num  " if how.numbers else ""
    counts = "    pkts      bytes" if how.exact else " pkts bytes"
    columns += f"{counts} target     prot opt in     out    " if how.verbose else "target     prot opt"
    head = f"Chain {name} ({about})\n{columns} {'source':<20} {'destination':<20}\n"
    rows = enumerate(chain.rules, 1)
    return head + "".join(_row(rule, number, counters[number], how) for number, rule in rows)


def _short(number: int, exact: bool) -> str:
    """``12345``, ``123M``: five places, with K, M, G or T behind what is longer."""
    if exact:
        return f"{number:>8}"
    if number <= 99999:
        return f"{number:>5}"
    for unit in "KMG":
        number = (number + 500) // 1000
        if number <= 9999:
            return f"{number:>4}{unit}"
    return f"{(number + 500) // 1000:>4}T"


def _row(rule: Rule, number: int, counter: Counter, how: Listing) -> str:
    plain = {match.option: match for match in rule.matches if not match.module}
    line = f"{number:<4} " if how.numbers else ""
    line += "".join(f"{_short(value, how.exact)} " for value in counter or (0, 0)) if how.verbose else ""
    name = "CT" if rule.target == "NOTRACK" else rule.target
    line += f"{name:<9} {_protocol(plain.get('-p'), how)} {_fragment(plain.get('-f'))} "
    if how.verbose:
        line += f" {_device(plain.get('-i')):<6} {_device(plain.get('-o')):<6} "
    line += _address(plain.get("-s"), how) + _address(plain.get("-d"), how)
    line += "[goto] " if rule.goto else ""
    words = [*matches_form(rule, how.numeric), target_form(rule, how.numeric)]
    return line + "".join(f" {word}" for word in words if word) + "\n"


def _protocol(match: Match | None, how: Listing) -> str:
    name = match.value if match is not None else "all"
    shown = str(PROTOCOLS.get(name, name)) if how.numeric else name
    return f"{'!' if match is not None and match.negated else ' '}{shown:<4}"


def _fragment(match: Match | None) -> str:
    return "--" if match is None else "!f" if match.negated else "-f"


def _device(match: Match | None) -> str:
    return "*" if match is None else f"{'!' if match.negated else ''}{match.value}"


def _address(match: Match | None, how: Listing) -> str:
    if match is None:
        return f" {_anywhere(how) if how.numeric else 'anywhere':<19} "
    shown = match.value.removesuffix("/128" if how.family == "ip6" else "/32")
    if not how.numeric and shown in ("127.0.0.1", "::1"):
        shown = "localhost"
    return f"{'!' if match.negated else ' '}{shown:<19} "


def _anywhere(how: Listing) -> str:
    return "::/0" if how.family == "ip6" else "0.0.0.0/0"


def one_line(rule: Rule, family: str = "ip") -> str:
    """``-v -A``: the rule that was just written."""
    plain = {match.option: match for match in rule.matches if not match.module}
    how = Listing(numeric=True, family=family)
    proto = _protocol(plain.get("-p"), Listing()).rstrip()
    ends = [_address(plain.get(side), how).rstrip() for side in ("-s", "-d")]
    line = f"{rule.target} {proto} opt {_fragment(plain.get('-f'))} in {_device(plain.get('-i'))}"
    line += f" out {_device(plain.get('-o'))} {ends[0]}  ->{ends[1]}  {'[goto] ' if rule.goto else ''}"
    words = [*matches_form(rule, True), target_form(rule, True)]
    return line + "".join(f" {word}" for word in words if word) + "\n"
