"""From words to rules: what ``iptables`` makes of a command line behind ``-A CHAIN``.

The words come one after the other. ``-m NAME`` and ``-j NAME`` load an extension, and from then on its options are
known (``-p tcp`` alone is enough for ``--dport``). At the end each extension has a last look at what was said.

Left out: warnings (``weird character in interface``); options that a table marks as not modelled are refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product

from k8slearn.errors import CommandError
from k8slearn.linux.iptables import plain
from k8slearn.linux.iptables.extension import Extension, Option, Said, Told, check
from k8slearn.linux.iptables.match_options import MATCHES
from k8slearn.linux.iptables.match_options import NOT_MODELLED as OTHER_MATCHES
from k8slearn.linux.iptables.target_options import NOT_MODELLED as OTHER_TARGETS
from k8slearn.linux.iptables.target_options import TARGETS
from k8slearn.linux.iptables.values import Given
from k8slearn.linux.iptables.words import HINT, fail, split
from k8slearn.linux.rules import Match, Rule

PROTOCOL_MATCHES = {"tcp": "tcp", "udp": "udp", "sctp": "sctp", "icmp": "icmp", "ipv6-icmp": "icmp6"}
"""``-p`` -> the match that its options belong to."""
COMMANDS = (
    *("--append", "--delete", "--check", "--insert", "--replace", "--list", "--list-rules", "--flush", "--zero"),
    *("--new-chain", "--delete-chain", "--rename-chain", "--policy", "--table", "--verbose", "--wait", "--exact"),
    *("--version", "--help", "--numeric", "--modprobe", "--line-numbers", "--set-counters", "--ipv4", "--ipv6"),
)
NO_FILTER = '\nThe "nat" table is not intended for filtering, the use of DROP is therefore inhibited.\n\n'
ONCE = {"-s", "-d", "-i", "-o", "-p", "-j", "-f"}


@lru_cache(maxsize=1 << 16)
def parse_rule(line: str, because: str = "", family: str = "ip") -> Rule:
    """A rule from its text: ``-s 10.0.0.0/24 -p tcp -m tcp --dport 80 -j ACCEPT`` (no ``-A CHAIN``).

    `family` is ``ip`` or ``ip6``. Equal text gives the same object, so that a rule on 5,000 nodes is one value.
    CommandError names what is not understood.
    """
    return parse_words(tuple(split(line)), because, family)


def parse_words(words: tuple[str, ...], because: str = "", family: str = "ip") -> Rule:
    """The same from words that a shell has split already."""
    rules = parse_rules(words, because, family)
    if len(rules) > 1:
        raise fail("one rule is wanted here, and these addresses make several")
    return rules[0]


def parse_rules(words: tuple[str, ...], because: str = "", family: str = "ip", table: str = "") -> list[Rule]:
    """Every rule that the words make for this table: ``-s A,B`` makes two."""
    parser = _Parser(list(words), family)
    parser.read()
    if (table, parser.jump) == ("nat", "DROP"):
        raise fail(NO_FILTER)
    return parser.rules(because)


@dataclass(slots=True)
class _Loaded:
    """An extension that a rule has loaded, and what it was told."""

    name: str
    extension: Extension
    given: Given
    told: Told = field(default_factory=dict)

    def finish(self) -> Told:
        """The last look: complaints, and what is printed."""
        told = self.extension.complete(dict(self.told), self.given)
        check(self.name, self.extension, self.told)
        return {option: told[option] for option in self.extension.options if option in told}


@dataclass(slots=True)
class _Parser:
    words: list[str]
    family: str
    negated: bool = False
    loaded: list[_Loaded] = field(default_factory=list)
    """Matches and the target, in the order in which they were loaded."""
    target: _Loaded | None = None
    jump: str = ""
    goto: bool = False
    seen: set[str] = field(default_factory=set)
    plain: list[Match] = field(default_factory=list)
    networks: list[tuple[str, str, bool]] = field(default_factory=list)
    protocol: str = ""

    def read(self) -> None:
        self.words.reverse()
        while self.words:
            word = self.words.pop()
            if word == "!":
                if self.negated:
                    raise fail("multiple consecutive ! not allowed")
                self.negated = True
            elif not word.startswith("-") or word == "-":
                raise CommandError(f"Bad argument `{word}'\n{HINT}", 2)
            else:
                self.option(word)
                self.negated = False
        if self.negated:
            raise fail("nothing appropriate following !")

    def option(self, word: str) -> None:
        name, _, attached = word.partition("=")
        short = plain.LONG.get(name, word)
        if short in (*plain.ORDER, "-m", "-j", "-g"):
            self.plain_option(short, word if "=" in word and name != word else "")
            return
        found = self.find(name)
        whole = self.completed(name) if found is None else None
        if whole is not None:
            self.option(whole)
            return
        found = found or self.find_by_protocol(name)
        if found is None:
            raise fail(f'unknown option "{word}"')
        self.extension_option(*found, attached if "=" in word else None)

    def find(self, name: str) -> tuple[_Loaded, str] | None:
        """The extension that knows this option, the one loaded last first."""
        for loaded in reversed(self.loaded):
            option = loaded.extension.aliases.get(name, name)
            if option in loaded.extension.options:
                return loaded, option
        return None

    def find_by_protocol(self, name: str) -> tuple[_Loaded, str] | None:
        """``-p tcp --dport 80``: the protocol's own match comes by itself, once."""
        match = PROTOCOL_MATCHES.get(self.protocol, "")
        known = MATCHES.get(match)
        if known is None or self.family not in known.families or any(loaded.name == match for loaded in self.loaded):
            return None
        meant = {o for o in (*known.options, *known.aliases) if o == name} or {
            known.aliases.get(o, o) for o in (*known.options, *known.aliases) if len(name) > 2 and o.startswith(name)
        }
        if len(meant) != 1:
            return None
        self.load(match)
        return self.find(meant.pop())

    def completed(self, name: str) -> str | None:
        """getopt_long: the beginning of a long option will do where it is the beginning of only one."""
        if len(name) < 3 or not name.startswith("--"):
            return None
        sources: list[Iterable[str]] = [plain.LONG, COMMANDS]
        sources += [[*loaded.extension.options, *loaded.extension.aliases] for loaded in self.loaded]
        known = dict.fromkeys(option for source in sources for option in source if option.startswith(name))
        meant = {plain.LONG.get(option, option) for option in known}
        return next(iter(known)) if len(meant) == 1 and not meant & set(COMMANDS) else None

    def value(self, option: str) -> str:
        if not self.words:
            raise fail(f'option "{option}" requires an argument')
        return self.words.pop()

    # --- -s -d -i -o -p -f -m -j -g ---

    def plain_option(self, option: str, whole: str) -> None:
        flag = "-j" if option == "-g" else option
        if flag in ONCE and flag in self.seen:
            raise fail(f"multiple {flag} flags not allowed")
        if self.negated and option in ("-j", "-g"):
            raise fail(f"cannot have ! before {option}")
        if self.negated and option == "-m":
            raise fail("unexpected ! flag before --match")
        self.seen.add(flag)
        if option == "-f":
            self.fragment()
            return
        value = whole or self.value(option)
        if option == "-m":
            self.load(value)
        elif flag == "-j":
            self.target_option(value, option == "-g")
        elif option in ("-s", "-d"):
            self.networks.append((option, value, self.negated))
        elif option == "-p":
            self.protocol = "" if self.negated and value in ("0", "all") else self.protocol
            self.plain += plain.protocol(value, self.negated)
            self.protocol = next((m.value for m in self.plain if m.option == "-p"), "")
        else:
            self.plain += plain.device(option, value, self.negated)

    def fragment(self) -> None:
        if self.family == "ip6":
            raise fail("`-f' is not supported in IPv6, use -m frag instead")
        self.plain.append(Match("", "-f", "", self.negated))

    def load(self, name: str) -> None:
        known = MATCHES.get(name)
        if name in OTHER_MATCHES:
            raise fail(f"match `{name}' is not modelled here")
        if known is None or self.family not in known.families:
            raise fail(f"Couldn't load match `{name}':No such file or directory\n")
        twin = next((loaded for loaded in self.loaded if loaded.name == name), None)
        if twin is None or name not in ("tcp", "udp"):
            self.loaded.append(_Loaded(name, known, Given(name, "", self.family)))

    def target_option(self, name: str, goto: bool) -> None:
        if not name:
            raise fail("Invalid target name (too short)")
        if len(name) > 28:
            raise fail(f"Invalid target name `{name}' (28 chars max)")
        if name in OTHER_TARGETS:
            raise fail(f"target `{name}' is not modelled here")
        self.jump, self.goto = name, goto
        if name in TARGETS and not goto:
            self.target = _Loaded(name, TARGETS[name], Given(name, "", self.family))
            self.loaded.append(self.target)

    # --- an extension's own options ---

    def extension_option(self, loaded: _Loaded, name: str, attached: str | None) -> None:
        option = loaded.extension.options[name]
        value = self.extension_value(loaded, name, option, attached)
        complaint = loaded.extension.once.get(name) or f'{loaded.name}: option "{name}" can only be used once.\n'
        twins = [o for o in loaded.told if o == name or loaded.extension.once.get(o) == complaint]
        if twins and name not in ("--rsource", "--rdest"):
            raise fail(complaint)
        if self.negated and not option.negatable:
            raise fail(f'{loaded.name}: option "{name}" cannot be inverted.\n')
        read = option.read(value, Given(loaded.name, name, self.family, self.protocol))
        loaded.told.pop(name, None)
        loaded.told[name] = Said(read, self.negated)

    def extension_value(self, loaded: _Loaded, name: str, option: Option, attached: str | None) -> str:
        if option.words == 0:
            return ""
        value = self.value(name) if attached is None else attached
        if option.words == 1:
            return value
        if not self.words or self.words[-1].startswith(("-", "!")):
            raise fail(f"{name} requires two args.")
        return f"{value} {self.words.pop()}"

    # --- all that was said ---

    def rules(self, because: str) -> list[Rule]:
        said = [(loaded, loaded.finish()) for loaded in self.loaded if loaded is not self.target]
        options = self.target.finish() if self.target is not None else {}
        extended: list[Match] = []
        for loaded, told in said:
            again = bool(extended) and extended[-1].module == loaded.name
            extended += [Match(loaded.name, "", "")] if again or not told else []
            extended += [Match(loaded.name, option, what.value, what.negated) for option, what in told.items()]
        target = tuple((option, told.value) for option, told in options.items())
        alternatives = [plain.networks(*network, self.family) for network in self.networks]
        out = []
        for chosen in product(*alternatives):
            mine = [*self.plain, *(match for one in chosen for match in one)]
            mine.sort(key=lambda match: plain.ORDER.index(match.option))
            out.append(Rule((*mine, *extended), self.jump, target, self.goto, because))
        return out
