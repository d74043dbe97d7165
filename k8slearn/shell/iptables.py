"""``iptables`` and ``ip6tables`` (1.8.9, nf_tables): chains and rules, as a person changes them.

The language of one rule is in `linux/iptables`, what a rule does to a packet in `linux/netfilter.py`; here a command
line finds its chain and writes it anew. Taking the line apart is in `iptables_line.py`, listing in `iptables_list.py`,
the kernel's own objections in `iptables_check.py`.

Left out: ``iptables-legacy``, whose rules are a second set beside these; warnings; what ``-v`` tells about ``-Z``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from k8slearn.errors import CommandError
from k8slearn.linux import iptables as language
from k8slearn.linux.iptables import VERSION, fail
from k8slearn.linux.iptables.parse import NO_FILTER
from k8slearn.linux.iptables.words import HINT
from k8slearn.linux.program import Result, Running
from k8slearn.linux.rules import BUILT_IN, Rule
from k8slearn.shell.iptables_check import check_chain_name, check_rule, jumps, objection_to_jumps, refused
from k8slearn.shell.iptables_line import Line, check_options, read_line
from k8slearn.shell.iptables_list import Listing, listing, one_line, specification
from k8slearn.shell.iptables_tables import NO_CHAIN, NOTHING, Doing, Tables
from k8slearn.shell.process import Process

NO_RULE = "iptables: Bad rule (does a matching rule exist in that chain?).\n"


def program(process: Process) -> Running:
    """Run ``iptables``."""
    return (yield from run(process, "ip"))


def program6(process: Process) -> Running:
    """Run ``ip6tables``."""
    return (yield from as_ip6tables(run(process, "ip6")))


def run(process: Process, family: str) -> Running:
    line = read_line(process.argv)
    if "-V" in line.flags:
        return Result(f"{'ip6tables' if family == 'ip6' else 'iptables'} {VERSION}\n")
    if ("-6" if family == "ip" else "-4") in line.flags:
        raise CommandError(HINT, 2)
    if not line.command:
        language.parse_rules(tuple(line.rule), "", family)
        raise fail("no command specified")
    if line.table not in BUILT_IN:
        missing = f"iptables {VERSION}: table '{line.table}' does not exist\n"
        raise CommandError(missing + "Perhaps iptables or your kernel needs to be upgraded.\n", 3)
    return Result((yield from perform(Tables(process.world, process.netns, line.table, family), line)))


NAME = re.compile(r"(^|[`']|Perhaps )iptables(?=[ :-])", re.MULTILINE)


def as_ip6tables(running: Running) -> Running:
    """The same program under its other name."""
    try:
        return (yield from running)
    except CommandError as error:
        raise CommandError(NAME.sub(r"\1ip6tables", error.stderr), error.exit_code, error.stdout) from None


def perform(tables: Tables, line: Line) -> Doing:
    """Do what a command line asks of one table; returns what it prints."""
    rules = _rules(tables, line) if line.command in "ACDIR" else []
    check_options(line)
    printed = yield from ACTIONS[line.command](tables, line, rules)
    if line.zero:
        yield from _zero(tables, Line(command="Z", chain=line.chain), [])
    if "-v" in line.flags and line.command in "AICRD":
        printed += "".join(one_line(rule) for rule in rules if not line.extra.isdigit() or line.command in "IR")
    return printed


Action = Callable[[Tables, Line, list[Rule]], Doing]
DOING = {"A": "RULE_APPEND", "I": "RULE_INSERT", "R": "RULE_REPLACE", "D": "", "C": ""}


def _rules(tables: Tables, line: Line) -> list[Rule]:
    """The rules that stand on the command line."""
    if line.command in "AIRDC":
        check_chain_name(line.chain, tables.family, exists=True)
    if line.command == "D" and line.extra:
        return []
    rules = language.parse_rules(tuple(line.rule), "", tables.family, tables.table)
    for rule in rules:
        check_rule(rule, tables, line.chain, "" if line.command in "DC" else DOING[line.command])
    return rules


def _check_reach(tables: Tables, chain: str, new: tuple[Rule, ...], doing: str) -> None:
    """What the kernel finds when it follows every jump; iptables-restore asks once for all its lines."""
    words = "" if tables.later or _leads_nowhere(tables, chain, new) else objection_to_jumps(tables, {chain: new})
    if words:
        raise refused(doing, words, chain)


def _leads_nowhere(tables: Tables, chain: str, rules: tuple[Rule, ...]) -> bool:
    return chain in BUILT_IN[tables.table] and not any(rule.target and jumps(rule) for rule in rules)


def _append(tables: Tables, line: Line, rules: list[Rule]) -> Doing:
    chain, counters = tables.get(line.chain), tables.counters(line.chain)
    new = (*chain.rules, *rules)
    _check_reach(tables, line.chain, new, "RULE_APPEND")
    yield from tables.put(line.chain, new, [*counters, *(line.counters for _ in rules)])
    return ""


def _insert(tables: Tables, line: Line, rules: list[Rule]) -> Doing:
    """Several addresses are inserted one after the other at the same place."""
    at = _number(line.extra or "1")
    old, counters = tables.get(line.chain).rules, tables.counters(line.chain)
    if at > len(old) + 1:
        raise CommandError("iptables: Index of insertion too big.\n")
    new = (*old[: at - 1], *reversed(rules), *old[at - 1 :])
    _check_reach(tables, line.chain, new, "RULE_INSERT")
    yield from tables.put(line.chain, new, [*counters[:at], *(line.counters for _ in rules), *counters[at:]])
    return ""


def _replace(tables: Tables, line: Line, rules: list[Rule]) -> Doing:
    at = _number(line.extra)
    if len(rules) > 1:
        raise fail("Replacement rule does not specify a unique address")
    old, counters = tables.get(line.chain).rules, tables.counters(line.chain)
    if at > len(old):
        raise _too_big(tables, line.chain, "replacement")
    new = (*old[: at - 1], *rules, *old[at:])
    _check_reach(tables, line.chain, new, "RULE_REPLACE")
    yield from tables.put(line.chain, new, [*counters[:at], line.counters, *counters[at + 1 :]])
    return ""


def _number(word: str) -> int:
    if not word.isdigit() or int(word) < 1:
        raise fail(f"Invalid rule number `{word}'")
    return int(word)


def _too_big(tables: Tables, chain: str, doing: str) -> CommandError:
    """A built-in chain comes into the kernel with its first rule: before that it is no chain at all."""
    there = tables.world.get(tables.key(chain)) is not None
    return CommandError(f"iptables: Index of {doing} too big.\n" if there else NO_CHAIN)


def _delete(tables: Tables, line: Line, rules: list[Rule]) -> Doing:
    if line.extra:
        at = _number(line.extra)
        if at > len(tables.get(line.chain).rules):
            raise _too_big(tables, line.chain, "deletion")
        yield from _cut(tables, line.chain, at)
        return ""
    for rule in rules:
        yield from _cut(tables, line.chain, _place(tables, line.chain, rule))
    return ""


def _cut(tables: Tables, chain: str, at: int) -> Doing:
    rules, counters = tables.get(chain).rules, tables.counters(chain)
    yield from tables.put(chain, (*rules[: at - 1], *rules[at:]), [*counters[:at], *counters[at + 1 :]])
    return ""


def _place(tables: Tables, chain: str, wanted: Rule) -> int:
    """The number of the first rule that is the one on the command line."""
    found = tables.find(chain)
    if found is None or wanted not in found.rules:
        raise CommandError(NO_RULE)
    return found.rules.index(wanted) + 1


def _check(tables: Tables, line: Line, rules: list[Rule]) -> Doing:
    yield from ()
    for rule in rules:
        _place(tables, line.chain, rule)
    return ""


def _new_chain(tables: Tables, line: Line, rules: list[Rule]) -> Doing:
    check_chain_name(line.chain, tables.family)
    if tables.find(line.chain) is not None:
        raise CommandError("iptables: Chain already exists.\n")
    yield from tables.put(line.chain, (), [])
    return ""


def _delete_chain(tables: Tables, line: Line, rules: list[Rule]) -> Doing:
    mine = [name for name in tables.names() if name not in BUILT_IN[tables.table]]
    names = [line.chain] if line.chain else list(reversed(mine))
    for name in names:
        chain = tables.get(name)
        if chain.rules or tables.references(name) or name in BUILT_IN[tables.table]:
            busy = f"iptables {VERSION}:  CHAIN_DEL failed (Device or resource busy): chain {name}\n"
            raise CommandError(busy, 4)
    for name in names:
        yield from tables.remove(name)
    for name in BUILT_IN[tables.table] if not line.chain else ():
        if not tables.get(name).rules and tables.get(name).policy == "ACCEPT":
            yield from tables.count(name, tables.counters(name), [])
    told = [line.chain] if line.chain else mine
    return "".join(f"Deleting chain `{name}'\n" for name in told if "-v" in line.flags)


def _flush(tables: Tables, line: Line, rules: list[Rule]) -> Doing:
    names = [line.chain] if line.chain else tables.names()
    for name in names:
        if tables.get(name).rules:
            yield from tables.put(name, (), tables.counters(name)[:1])
    return "".join(f"Flushing chain `{name}'\n" for name in names if "-v" in line.flags)


def _rename(tables: Tables, line: Line, rules: list[Rule]) -> Doing:
    check_chain_name(line.extra, tables.family, new=True)
    if tables.find(line.extra) is not None:
        raise CommandError("iptables: File exists.\n")
    chain = tables.find(line.chain)
    if chain is None or line.chain in BUILT_IN[tables.table]:
        raise CommandError(NO_CHAIN)
    counters = tables.counters(line.chain)
    yield from tables.put(line.extra, chain.rules, counters)
    for name in tables.names():
        old = tables.get(name).rules
        if any(rule.target == line.chain for rule in old):
            renamed = tuple(_retargeted(rule, line.chain, line.extra) for rule in old)
            yield from tables.put(name, renamed, tables.counters(name))
    yield from tables.remove(line.chain)
    return ""


def _retargeted(rule: Rule, old: str, new: str) -> Rule:
    return Rule(rule.matches, new, rule.options, rule.goto, rule.because) if rule.target == old else rule


def _policy(tables: Tables, line: Line, rules: list[Rule]) -> Doing:
    if line.chain not in BUILT_IN[tables.table]:
        raise CommandError("iptables: Bad built-in chain name.\n")
    if line.extra not in ("ACCEPT", "DROP"):
        raise CommandError("iptables: Bad policy name. Run `dmesg' for more information.\n")
    if tables.table == "nat" and line.extra == "DROP":
        raise fail(NO_FILTER)
    yield from tables.put(
        line.chain, tables.get(line.chain).rules, [NOTHING, *tables.counters(line.chain)[1:]], line.extra
    )
    return ""


def _zero(tables: Tables, line: Line, rules: list[Rule]) -> Doing:
    at = _number(line.extra) if line.extra else None
    for name in [line.chain] if line.chain else tables.names():
        counters = tables.counters(name)
        if at is not None and tables.world.get(tables.key(name)) is None:
            raise CommandError(NO_RULE)
        zero = [counter and NOTHING for counter in counters]
        new = [zero[n] if at in (None, n) else counter for n, counter in enumerate(counters)]
        yield from tables.count(name, counters, new)
    return ""


def _list(tables: Tables, line: Line, rules: list[Rule]) -> Doing:
    yield from ()
    flags = line.flags
    how = Listing("-n" in flags, "-v" in flags, "-0" in flags, "-x" in flags, _only(line), tables.family)
    names = list(_named(tables, line))
    told = [(name, tables.get(name), tables.references(name), tables.counters(name)) for name in names]
    return listing(told, how)


def _only(line: Line) -> int:
    """The number of the one rule that is wanted, or 0: all."""
    return _number(line.extra) if line.extra else 0


def _print(tables: Tables, line: Line, rules: list[Rule]) -> Doing:
    yield from ()
    told = [(name, tables.get(name), tables.counters(name)) for name in _named(tables, line)]
    return specification(told, "-v" in line.flags, _only(line))


def _named(tables: Tables, line: Line) -> Iterator[str]:
    if line.chain and tables.find(line.chain) is None:
        strange = f"chain `{line.chain}' in table `{tables.table}' is incompatible, use 'nft' tool."
        raise CommandError(f"iptables {VERSION}: {strange}\n", 1)
    yield from [line.chain] if line.chain else tables.names()


ACTIONS: Mapping[str, Action] = {
    **{"A": _append, "I": _insert, "R": _replace, "D": _delete, "C": _check, "N": _new_chain, "X": _delete_chain},
    **{"F": _flush, "E": _rename, "P": _policy, "Z": _zero, "L": _list, "S": _print},
}
