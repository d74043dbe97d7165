"""Which machines are alike: exchange two of them, with all that stands on them, and the network is the same.

Each machine has lines of its own, and lines about each other one. Machines whose own lines are equal begin with one
**colour**, and colours are parted as long as somebody of one colour speaks otherwise of (or is spoken of otherwise by)
somebody of another: what is known as colour refinement. It ends with colours in which it does not matter who of a
colour speaks of whom of another, and that is tried for every pair before it is believed.

Then a walk between two pods of two such machines stands for the walks between all pods of their classes on all
machines of these colours. Where the trial fails each machine has a colour of its own, as if none was like another.

Left out: machines with equal rows whose pods are alike only in part: they are parted, which costs walks and no truth.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from k8slearn.alike.lines import Seen

Lines = Mapping[str, Sequence[str]]
"""Who speaks -> what they say."""


@dataclass(slots=True)
class Class:
    """Pods of one machine that are wired alike, as text."""

    home: str
    own: str
    """Everything in their network namespaces."""
    said: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Machine -> what it says of each of them; under the empty name what pods say."""
    sides: tuple[str, ...] = ()


def merged(classes: Sequence[Class], machines: Mapping[str, Sequence[str]], owners: Mapping[str, str]) -> list[int]:
    """For each class a number: equal ones may stand for each other, each on its own machine."""
    seen = Seen(owners)
    found = _Colours(classes, machines, seen)
    colours = found.refined()
    numbers: dict[Hashable, int] = {}
    if colours is None:
        return list(range(len(classes)))
    return [numbers.setdefault(found.class_of(one, colours), len(numbers)) for one in classes]


class _Colours:
    def __init__(self, classes: Sequence[Class], machines: Mapping[str, Sequence[str]], seen: Seen) -> None:
        self.seen, self.names = seen, sorted(machines)
        self.own: dict[str, frozenset[str]] = {}
        self.pairs: dict[tuple[str, str], set[Hashable]] = {(a, b): set() for a in machines for b in machines}
        for name, lines in machines.items():
            self.own[name] = frozenset(self._own_lines(name, lines))
        self.foreign = {(id(one), s): self._of_class(one, s) for one in classes for s in self.names}
        for one in classes:
            for name in self.names:
                if name != one.home and one.home in machines:
                    self.pairs[name, one.home].add(self.foreign[id(one), name])
        self.classes = classes
        self.marks = {pair: frozenset(lines) for pair, lines in self.pairs.items()}

    def _own_lines(self, name: str, lines: Sequence[str]) -> Iterator[str]:
        """A line that speaks of one other machine is about that one; the others are the machine's own."""
        for line in lines:
            others = self.seen.named(line) - {name}
            if len(others) == 1:
                (other,) = others
                self.pairs[name, other].add(self.seen.seen(line, name, other))
            else:
                yield self.seen.seen(line, name, name)

    def _of_class(self, one: Class, name: str) -> tuple[str, ...]:
        return tuple(sorted(self.seen.seen(line, name, one.home) for line in one.said.get(name, ())))

    def refined(self) -> dict[str, int] | None:
        """Machine -> colour; None: no colours but one for each are sure."""
        colours = _numbered({name: self.own[name] for name in self.names})
        while True:
            finer = _numbered({name: (colours[name], self._around(name, colours)) for name in self.names})
            if len(set(finer.values())) == len(set(colours.values())):
                break
            colours = finer
        return colours if self._sure(colours) else None

    def _around(self, name: str, colours: Mapping[str, int]) -> Hashable:
        others = [other for other in self.names if other != name]
        return frozenset((colours[o], self.marks[name, o], self.marks[o, name]) for o in others)

    def _sure(self, colours: Mapping[str, int]) -> bool:
        """Does nothing depend on who of a colour speaks of whom?"""
        between: dict[tuple[int, int], frozenset[Hashable]] = {}
        for (a, b), mark in self.marks.items():
            if a != b and between.setdefault((colours[a], colours[b]), mark) != mark:
                return False
        for one in self.classes:
            of: dict[int, tuple[str, ...]] = {}
            for name in self.names:
                if name != one.home:
                    lines = self.foreign[id(one), name]
                    if of.setdefault(colours[name], lines) != lines:
                        return False
        return True

    def class_of(self, one: Class, colours: Mapping[str, int]) -> Hashable:
        home = one.home
        elsewhere = {(colours[name], self.foreign[id(one), name]) for name in self.names if name != home}
        own, pods = self.seen.seen(one.own, home, home), one.said.get("", ())
        here = self.foreign.get((id(one), home), ())
        return colours.get(home, home), own, here, frozenset(elsewhere), tuple(pods), one.sides


def _numbered(keys: Mapping[str, Hashable]) -> dict[str, int]:
    numbers: dict[Hashable, int] = {}
    return {name: numbers.setdefault(key, len(numbers)) for name, key in keys.items()}
