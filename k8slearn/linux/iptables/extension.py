"""What a match or a target is to iptables: its options, which of them it needs, and which go together.

iptables loads an *extension* for each ``-m NAME`` and ``-j NAME`` (``libxt_tcp.so``, ...). It brings a table of
options; so does ours (`match_options.py`, `target_options.py`).

Left out: nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from k8slearn.linux.iptables import values
from k8slearn.linux.iptables.values import Given, Reader
from k8slearn.linux.iptables.words import fail


class Option(NamedTuple):
    """One option: how many words follow it, how its value is read, and may it stand behind a ``!``."""

    words: int = 1
    read: Reader = values.text
    negatable: bool = False
    quoted: bool = False
    """Is the value printed in quotation marks where it has more than letters and digits?"""


class Said(NamedTuple):
    """What a rule says for an option."""

    value: str = ""
    negated: bool = False


Told = dict[str, Said]
"""Option -> what was said."""


class Extension(NamedTuple):
    """A match or a target."""

    options: Mapping[str, Option] = {}
    """In the order in which they are printed."""
    needs: tuple[str, ...] = ()
    also: Mapping[str, str] = {}
    """Option -> the option that must stand beside it."""
    apart: tuple[frozenset[str], ...] = ()
    """Sets of options of which only one may be said."""
    not_with: Mapping[str, tuple[str, ...]] = {}
    """Option -> options that must not stand beside it."""
    complete: Callable[[Told, Given], Told] = lambda told, given: told
    """The last look: refuses what does not fit together, and adds what iptables prints though nobody said it."""
    aliases: Mapping[str, str] = {}
    families: tuple[str, ...] = ("ip", "ip6")
    called: Mapping[str, str] = {}
    """Option -> its long name, where complaints use that."""
    once: Mapping[str, str] = {}
    """Option -> the old extensions' own complaint about a second one; options with one complaint are as one."""


def check(name: str, extension: Extension, told: Told) -> None:
    """xtoptions.c: xtables_option_tfcheck(): which options must, may and may not stand together."""
    for option in extension.options:
        if option in extension.needs and option not in told:
            raise fail(f'{name}: option "{option}" must be specified\n')
        if option not in told:
            continue
        partner = extension.also.get(option)
        if partner is not None and partner not in told:
            raise fail(f'{name}: option "{option}" also requires "{partner}".\n')
        groups = [group for group in extension.apart if option in group]
        for group in (*groups, extension.not_with.get(option, ())):
            other = next((o for o in extension.options if o in group and o != option and o in told), None)
            if other is not None:
                pair = [extension.called.get(word, word) for word in (option, other)]
                raise fail(f'{name}: option "{pair[0]}" cannot be used together with "{pair[1]}".\n')


def flag(negatable: bool = False) -> Option:
    """An option without a value."""
    return Option(0, values.text, negatable)


def needs_one(*options: str, words: str) -> Callable[[Told, Given], Told]:
    """One of these must be said; `words` is the complaint."""

    def complete(told: Told, given: Given) -> Told:
        if not any(option in told for option in options):
            raise fail(words)
        return told

    return complete
