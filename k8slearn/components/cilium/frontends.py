"""What the agent writes into the load balancer's three maps, for whoever has addresses there: Services, hostPorts.

Each frontend has a number (``rev_nat``), and so has each backend; a backend that several Services have stands in the
map once. The agent remembers what it has written for whom, so that a Service's change costs what that Service has,
however many others there are.

Sources: pkg/loadbalancer/reconciler (BPFOps: ``updateFrontend``, ``releaseBackend``), pkg/loadbalancer/maps.

Left out: numbers that are given again.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from k8slearn.cni.cilium import maps
from k8slearn.cni.cilium.maps import Backend, Frontend, Service
from k8slearn.journal import Command, Commands, Key, Put, Remove, World

OWNED, HELD, COUNT = "cilium_frontends", "cilium_backend_ids", "cilium_ids"
"""The agent's memory: owner -> `Owned`, a backend's address -> `Held`, and the last number of each sort."""


class Place(NamedTuple):
    """A backend of a port, and the EndpointSlice that names it."""

    address: str
    port: int
    node: str
    state: str
    of: str


Wanted = tuple[str, tuple[str, ...], list[Place]]
"""(kind, flags, backends) of a frontend."""
At = tuple[str, int, str]
"""(address, port, protocol) of a backend."""


@dataclass(frozen=True, slots=True)
class Owned:
    """What an owner has in the maps."""

    fronts: tuple[tuple[Frontend, int], ...] = ()
    """Each frontend, and how many slots it has."""
    backends: tuple[At, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """A backend's number, and how many owners have it."""

    number: int
    owners: int = 0


def owners(world: World, node: str) -> list[str]:
    """Who has rows in the maps."""
    return sorted(map(str, world.table(node, OWNED)))


def write(
    world: World, node: str, owner: str, wanted: Mapping[Frontend, Wanted], cause: Key, seconds: int = 0
) -> Commands:
    """The rows of one owner are these, and no others."""
    before: Owned = world.get((node, OWNED, owner)) or Owned()
    places = {(p.address, p.port, front.proto): p for front, row in wanted.items() for p in row[2]}
    yield from _backends(world, node, places, before.backends, cause)
    for front, (kind, flags, behind) in wanted.items():
        number = yield from _number(world, node, front)
        row = Service(0, len(behind), number, kind, flags, owner, seconds)
        yield from _put(world, (node, maps.SERVICES, front), row, cause)
        for slot, place in enumerate(behind, 1):
            held: Held = world.get((node, HELD, (place.address, place.port, front.proto)))
            slotted = Service(held.number, 0, number, kind, flags, owner, piece=place.of)
            by: Key = ("api", "endpointslices", place.of) if place.of else cause
            yield from _put(world, (node, maps.SERVICES, front._replace(slot=slot)), slotted, by)
    for front, slots in before.fronts:
        first = len(wanted[front][2]) + 1 if front in wanted else 0
        for slot in range(first, slots + 1):
            yield Remove((node, maps.SERVICES, front._replace(slot=slot)))
    yield from _released(world, node, [at for at in before.backends if at not in places])
    fronts = tuple((front, len(row[2])) for front, row in wanted.items())
    yield from _remember(world, (node, OWNED, owner), Owned(fronts, tuple(places)) if fronts else None)


def _backends(world: World, node: str, places: Mapping[At, Place], before: Iterable[At], cause: Key) -> Commands:
    """Each backend is in the map, and its owner is counted once."""
    known = set(before)
    for at, place in places.items():
        held: Held | None = world.get((node, HELD, at))
        if held is None:
            held = Held((yield from _next(world, node, "backend")))
        if at not in known:
            yield Put((node, HELD, at), replace(held, owners=held.owners + 1))
        row = Backend(place.address, place.port, at[2], place.state)
        by: Key = ("api", "endpointslices", place.of) if place.of else cause
        yield from _put(world, (node, maps.BACKENDS, str(held.number)), row, by)


def _released(world: World, node: str, gone: Iterable[At]) -> Commands:
    """A backend that nobody has any more leaves the map."""
    for at in gone:
        held: Held = world.get((node, HELD, at))
        if held.owners > 1:
            yield Put((node, HELD, at), replace(held, owners=held.owners - 1))
            continue
        yield Remove((node, HELD, at))
        yield Remove((node, maps.BACKENDS, str(held.number)))


def _number(world: World, node: str, front: Frontend) -> Generator[Command, None, int]:
    """The number of a frontend."""
    row: Service | None = world.get((node, maps.SERVICES, front))
    return row.rev_nat if row is not None else (yield from _next(world, node, "rev_nat"))


def _next(world: World, node: str, sort: str) -> Generator[Command, None, int]:
    number = int(world.get((node, COUNT, sort)) or 0) + 1
    yield Put((node, COUNT, sort), number)
    return number


def _put(world: World, key: Key, row: object, cause: Key) -> Commands:
    if world.get(key) != row:
        yield Put(key, row, cause)


def _remember(world: World, key: Key, row: Owned | None) -> Commands:
    before = world.get(key)
    if row is None and before is not None:
        yield Remove(key)
    elif row is not None and row != before:
        yield Put(key, row)
