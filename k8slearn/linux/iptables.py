"""iptables' language: one rule as text in, one rule as ``iptables-save`` prints it out, and a whole namespace as text.

`MATCHES` and `TARGETS` are the language: a row for each option says how many words it takes and how it is printed.
What they do to a packet is in `netfilter.py`.

Left out: ip6tables, ipset, recent, CONNMARK, and every match that no component here writes.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from k8slearn.errors import CommandError
from k8slearn.journal import World
from k8slearn.linux import ip
from k8slearn.linux.rules import BUILT_IN, Chain, Match, Rule

VERSION = "v1.8.9 (nf_tables)"
PLAIN = {
    "--source": "-s",
    "--src": "-s",
    "--destination": "-d",
    "--dst": "-d",
    "--in-interface": "-i",
    "--out-interface": "-o",
    "--protocol": "-p",
}
LONG = {
    "--match": "-m",
    "--jump": "-j",
    "--destination-port": "--dport",
    "--source-port": "--sport",
    "--destination-ports": "--dports",
    "--source-ports": "--sports",
}
ORDER = ("-s", "-d", "-i", "-o", "-p")


class Option(NamedTuple):
    """An option of a match or target: how many words follow it, and how its value is normalised."""

    words: int = 1
    normal: Callable[[str], str] = str


def _hex_mask(value: str) -> str:
    mark, _, mask = value.partition("/")
    number, bits = int(mark, 0), int(mask, 0) if mask else 0xFFFFFFFF
    return f"0x{number:x}" if bits == 0xFFFFFFFF else f"0x{number:x}/0x{bits:x}"


def _probability(value: str) -> str:
    return f"{round(float(value) * 0x80000000) / 0x80000000:.11f}"


def _protocol(value: str) -> str:
    return {"6": "tcp", "17": "udp", "1": "icmp", "132": "sctp"}.get(value, value.lower())


def _address(value: str) -> str:
    return value if "/" in value else f"{value}/32"


def _icmp_type(value: str) -> str:
    return {"echo-request": "8", "echo-reply": "0", "destination-unreachable": "3", "time-exceeded": "11"}.get(
        value, value
    )


MATCHES: Mapping[str, Mapping[str, Option]] = {
    "comment": {"--comment": Option()},
    "conntrack": {"--ctstate": Option(), "--ctorigdst": Option(), "--ctorigdstport": Option(), "--ctdir": Option()},
    "state": {"--state": Option()},
    "mark": {"--mark": Option(normal=_hex_mask)},
    "statistic": {
        "--mode": Option(),
        "--probability": Option(normal=_probability),
        "--every": Option(),
        "--packet": Option(),
    },
    "addrtype": {
        "--src-type": Option(),
        "--dst-type": Option(),
        "--limit-iface-in": Option(0),
        "--limit-iface-out": Option(0),
    },
    "tcp": {"--dport": Option(), "--sport": Option(), "--syn": Option(0)},
    "udp": {"--dport": Option(), "--sport": Option()},
    "sctp": {"--dport": Option(), "--sport": Option()},
    "icmp": {"--icmp-type": Option(normal=_icmp_type)},
    "multiport": {"--dports": Option(), "--sports": Option(), "--ports": Option()},
    "physdev": {
        "--physdev-is-bridged": Option(0),
        "--physdev-is-in": Option(0),
        "--physdev-in": Option(),
        "--physdev-out": Option(),
    },
    "limit": {"--limit": Option(), "--limit-burst": Option()},
}
TARGETS: Mapping[str, Mapping[str, Option]] = {
    "ACCEPT": {},
    "DROP": {},
    "RETURN": {},
    "REJECT": {"--reject-with": Option()},
    "DNAT": {"--to-destination": Option(), "--random": Option(0), "--persistent": Option(0)},
    "SNAT": {"--to-source": Option(), "--random-fully": Option(0)},
    "MASQUERADE": {"--to-ports": Option(), "--random": Option(0), "--random-fully": Option(0)},
    "REDIRECT": {"--to-ports": Option()},
    "MARK": {
        f"--{how}-{what}": Option()
        for how, what in (("set", "xmark"), ("set", "mark"), ("or", "mark"), ("and", "mark"), ("xor", "mark"))
    },
    "CT": {"--notrack": Option(0)},
    "NOTRACK": {},
    "LOG": {"--log-prefix": Option(), "--log-level": Option()},
}
DEFAULT_OPTIONS = {"REJECT": (("--reject-with", "icmp-port-unreachable"),), "NOTRACK": (("--notrack", ""),)}
MARKS: Mapping[str, Callable[[int, int], tuple[int, int]]] = {
    "--set-xmark": lambda value, mask: (value, mask),
    "--set-mark": lambda value, mask: (value, value | mask),
    "--or-mark": lambda value, mask: (value, value),
    "--and-mark": lambda value, mask: (0, ~value & 0xFFFFFFFF),
    "--xor-mark": lambda value, mask: (value, 0),
}


def fail(words: str, code: int = 2) -> CommandError:
    return CommandError(
        f"iptables {VERSION}: {words}\nTry `iptables -h' or 'iptables --help' for more information.\n", code
    )


@lru_cache(maxsize=1 << 16)
def parse_rule(line: str, because: str = "") -> Rule:
    """A rule from its text: ``-s 10.0.0.0/24 -p tcp -m tcp --dport 80 -j ACCEPT`` (no ``-A CHAIN``).

    Equal text gives the same object, so that a rule on 5,000 nodes is one value. CommandError names what is not
    understood.
    """
    try:
        return parse_words(tuple(shlex.split(line)), because)
    except ValueError:
        raise fail(f"a quotation mark without its partner in: {line}") from None


def parse_words(words: tuple[str, ...], because: str = "") -> Rule:
    """The same from words that a shell has split already."""
    return _Parser(words).rule(because)


class _Parser:
    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = [LONG.get(w, PLAIN.get(w, w)) for w in words]
        self.at = 0
        self.matches: list[Match] = []
        self.loaded: list[str] = []
        self.protocol = ""
        self.target, self.goto = "", False
        self.options: list[tuple[str, str]] = []

    def rule(self, because: str) -> Rule:
        negated = False
        while self.at < len(self.words):
            word = self.take()
            if word == "!":
                negated = True
                continue
            self.option(word, negated)
            negated = False
        plain = [m for o in ORDER for m in self.matches if not m.module and m.option == o]
        rest: list[Match] = []
        for name in dict.fromkeys(self.loaded):
            rest += [m for m in self.matches if m.module == name] or [Match(name, "", "")]
        if self.target == "NOTRACK":
            self.target, self.options = "CT", [("--notrack", "")]
        options = tuple(self.options) or DEFAULT_OPTIONS.get(self.target, ())
        return Rule((*plain, *rest), self.target, options, self.goto, because)

    def take(self) -> str:
        self.at += 1
        return self.words[self.at - 1]

    def value(self, option: str, count: int) -> str:
        if count == 0:
            return ""
        if self.at >= len(self.words):
            raise fail(f'option "{option}" requires an argument')
        return self.take()

    def option(self, word: str, negated: bool) -> None:
        if word in ORDER:
            self.plain(word, negated)
        elif word == "-m":
            self.load(self.value(word, 1))
        elif word in ("-j", "-g"):
            self.target, self.goto = self.value(word, 1), word == "-g"
        elif self.target and word in TARGETS.get(self.target, {}):
            self.target_option(word)
        else:
            self.match_option(word, negated)

    def plain(self, word: str, negated: bool) -> None:
        if self.words[self.at : self.at + 1] == ["!"]:
            negated, self.at = True, self.at + 1
        value = self.value(word, 1)
        if word == "-p":
            value = self.protocol = _protocol(value)
            if value == "all":
                return
        if word in ("-s", "-d"):
            value = _network(value)
            if value == "0.0.0.0/0" and not negated:
                return
        self.matches.append(Match("", word, value, negated))

    def load(self, module: str) -> None:
        if module not in MATCHES:
            raise fail(f"Couldn't load match `{module}':No such file or directory")
        self.loaded.append(module)

    def match_option(self, word: str, negated: bool) -> None:
        candidates = [*reversed(self.loaded), *([self.protocol] if self.protocol in MATCHES else [])]
        module = next((m for m in candidates if word in MATCHES[m]), None)
        if module is None:
            raise fail(f'unknown option "{word}"')
        if module not in self.loaded:
            self.loaded.append(module)
        option = MATCHES[module][word]
        try:
            value = option.normal(self.value(word, option.words))
        except ValueError:
            raise fail(f'{module}: bad value for option "{word}", or out of range') from None
        self.matches.append(Match(module, word, value, negated))

    def target_option(self, word: str) -> None:
        value = self.value(word, TARGETS[self.target][word].words)
        if word in MARKS:
            mark, _, mask = value.partition("/")
            try:
                bits, cover = MARKS[word](int(mark, 0), int(mask, 0) if mask else 0xFFFFFFFF)
            except ValueError:
                raise fail(f'MARK: bad value for option "{word}", or out of range') from None
            word, value = "--set-xmark", f"0x{bits:x}/0x{cover:x}"
        self.options.append((word, value))


def _network(value: str) -> str:
    base, _, length = value.partition("/")
    try:
        if "." in length:
            length = str(bin(ip.number(length)).count("1"))
        number, prefix = ip.network(f"{base}/{length or 32}")
    except ValueError:
        raise fail(f"host/network `{base}' not found") from None
    return f"{ip.text(number)}/{prefix}"


@lru_cache(maxsize=1 << 16)
def rule_text(rule: Rule) -> str:
    """The rule as ``iptables-save`` prints it, without ``-A CHAIN``."""
    words: list[str] = []
    module = ""
    for match in rule.matches:
        if match.module != module:
            words += ["-m", match.module]
            module = match.module
        words += ["!"] if match.negated else []
        words += [match.option] if match.option else []
        words += [_quote(match.value) if match.option == "--comment" else match.value] if match.value else []
    if rule.target:
        words += ["-g" if rule.goto else "-j", rule.target]
    for option, value in rule.options:
        words += [option, _quote(value) if option == "--log-prefix" else value] if value else [option]
    return " ".join(words)


def _quote(value: str) -> str:
    """xtables.c: xtables_save_string() leaves only letters, digits, ``-`` and ``_`` without quotes."""
    if value.isascii() and value.replace("-", "").replace("_", "").isalnum():
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\'") + '"'


def save(world: World, netns: str, tables: tuple[str, ...] = ("mangle", "raw", "filter", "nat")) -> str:
    """What ``iptables-save`` prints in this namespace, without its dated comment lines."""
    rows: Mapping[object, Chain] = world.table(netns, "chain")
    out: list[str] = []
    for table in tables:
        mine = {str(k[2]): c for k, c in rows.items() if isinstance(k, tuple) and k[:2] == ("ip", table)}
        if not mine:
            continue
        names = [*BUILT_IN[table], *(n for n in sorted(mine) if n not in BUILT_IN[table])]
        chains = {n: mine.get(n, Chain(policy="ACCEPT")) for n in names}
        out.append(f"*{table}")
        out += [f":{n} {c.policy or '-'} [0:0]" for n, c in chains.items()]
        out += [f"-A {n} {rule_text(r)}".rstrip() for n, c in chains.items() for r in c.rules]
        out.append("COMMIT")
    return "".join(f"{line}\n" for line in out)
