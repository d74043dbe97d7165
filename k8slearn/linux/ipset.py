"""x"""

from __future__ import annotations

from collections.abc import Iterator

from k8slearn.linux.rules import Rule


def names_in(rule: Rule) -> Iterator[str]:
    """The sets that a rule asks or changes."""
    for match in rule.matches:
        if match.option == "--match-set":
            yield match.value.split(" ")[0]
    for option, value in rule.options:
        if option in ("--add-set", "--del-set"):
            yield value.split(" ")[0]
