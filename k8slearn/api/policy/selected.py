"""Which pods a peer means: label selectors, answered for all pods at once.

A policy asks "which pods of which namespaces?" far more often than "is it this pod?". So the labels of all pods are
turned round once, ``label -> value -> pods``, and a selector becomes a few intersections of sets. Both are remembered
until a pod or a namespace changes; a plugin that turns selectors into sets of addresses (calico) or of identities
(cilium) asks the same questions.

A pod on its node's network (``hostNetwork``) has no address of its own: no selector means it. Nor one that has ended.

Left out: service accounts as peers.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

from k8slearn.api.selectors import Labels, Requirement, labels
from k8slearn.journal import Table, World

Selector = tuple[Requirement, ...]
"""A LabelSelector as its requirements; without any it selects everything."""
Obj = Mapping[str, Any]
T = TypeVar("T")


def requirements(selector: Obj | None) -> Selector:
    """A LabelSelector's requirements, ``matchLabels`` first; each as (key, operator, values)."""
    given = selector or {}
    pairs = sorted((given.get("matchLabels") or {}).items())
    more = given.get("matchExpressions") or ()
    return (
        *((key, "==", (value,)) for key, value in pairs),
        *((e["key"], e["operator"], tuple(e.get("values") or ())) for e in more),
    )


class LabelIndex:
    """Names by their labels."""

    __slots__ = ("_answers", "_values", "every")

    def __init__(self, labelled: Mapping[str, Labels]) -> None:
        self.every = frozenset(labelled)
        found: dict[str, dict[str, set[str]]] = {}
        for name, having in labelled.items():
            for key, value in having.items():
                found.setdefault(key, {}).setdefault(value, set()).add(name)
        self._values = found
        self._answers: dict[Selector, frozenset[str]] = {}

    def of(self, selector: Selector) -> frozenset[str]:
        """The names whose labels meet every requirement."""
        found = self._answers.get(selector)
        if found is None:
            found = self.every
            for requirement in selector:
                found = self._meet(found, requirement)
            self._answers[selector] = found
        return found

    def _meet(self, names: frozenset[str], requirement: Requirement) -> frozenset[str]:
        key, operator, values = requirement
        having = self._values.get(key, {})
        listed = [having[value] for value in values if value in having]
        if operator in ("Exists", "DoesNotExist"):
            listed = list(having.values())
        meant = names.intersection(set().union(*listed))
        return meant if operator in ("==", "In", "Exists") else names - meant


class Namespaces(LabelIndex):
    """All namespaces, by their labels."""

    def __init__(self, rows: Table) -> None:
        super().__init__({str(name): labels(obj) for name, obj in rows.items()})


class Pods(LabelIndex):
    """The pods that a policy can mean, by their labels; and who has which address on which node."""

    __slots__ = ("_in", "addresses", "derived", "holders", "nodes", "parts")

    def __init__(self, rows: Table) -> None:
        meant = {str(name): obj for name, obj in rows.items() if _has_own_network(obj)}
        super().__init__({name: labels(obj) for name, obj in meant.items()})
        self.nodes: dict[str, str] = {name: obj["spec"].get("nodeName", "") for name, obj in meant.items()}
        self.addresses: dict[str, tuple[str, ...]] = {name: _addresses(obj) for name, obj in meant.items()}
        self.holders = {address: name for name, held in self.addresses.items() for address in held}
        parts: dict[str, set[str]] = {}
        for name in meant:
            parts.setdefault(name.partition("/")[0], set()).add(name)
        self.parts = {namespace: frozenset(names) for namespace, names in parts.items()}
        """The pods of each namespace."""
        self.derived: dict[Hashable, tuple[Any, ...]] = {}
        """What was last found out about these pods and other tables (`derived`)."""
        self._in: dict[tuple[frozenset[str], Selector], frozenset[str]] = {}

    def within(self, namespaces: frozenset[str], selector: Selector) -> frozenset[str]:
        """The pods of these namespaces whose labels meet the selector."""
        key = (namespaces, selector)
        found = self._in.get(key)
        if found is None:
            there = frozenset().union(*(self.parts.get(name, frozenset()) for name in namespaces))
            found = self._in[key] = there & self.of(selector)
        return found


def _has_own_network(pod: Obj) -> bool:
    ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return not ended and not pod["spec"].get("hostNetwork")


def _addresses(pod: Obj) -> tuple[str, ...]:
    status = pod.get("status") or {}
    every = [entry["ip"] for entry in status.get("podIPs") or () if entry.get("ip")]
    return tuple(every) or tuple(filter(None, (status.get("podIP"),)))


def pods(world: World) -> Pods:
    """The pods that a policy can mean."""
    return world.table("api", "pods").index(Pods)


def namespaces(world: World) -> Namespaces:
    return world.table("api", "namespaces").index(Namespaces)


def derived(world: World, name: Hashable, sources: tuple[Any, ...], build: Callable[[], T]) -> T:
    """`build()`, remembered under this name until a pod, a namespace or one of the sources is another."""
    there, inputs = pods(world), (namespaces(world), *sources)
    known = there.derived.get(name)
    if known is None or any(one is not other for one, other in zip(known[0], inputs, strict=True)):
        known = there.derived[name] = (inputs, build())
    found: T = known[1]
    return found


def chosen(world: World, names: Selector | None, selector: Selector, own: str = "") -> frozenset[str]:
    """The pods that a pair of selectors means; without a namespace selector (None) those of the namespace `own`."""
    where = frozenset({own}) if names is None else namespaces(world).of(names)
    return pods(world).within(where, selector)
