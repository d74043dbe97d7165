"""`fates()` against counting by hand: every way in which every draw of every SYN can fall, tried one by one."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from k8slearn import Cluster
from k8slearn.endpoints import resolve_source
from k8slearn.journal import World, drive
from k8slearn.linux import socket
from k8slearn.trace import Attempt
from tests.twin.faults import inject
from tests.twin.served import asked_of, served
from tests.twin.twin import Probe

Ends = dict[tuple[str | None, ...], Fraction]
MOST = 400
"""A question whose draws can fall in more ways is left out."""


def run(world: World, probe: Probe, forced: tuple[bool, ...]) -> Attempt:
    fork = world.fork()
    netns, proto = resolve_source(world, probe.source), probe.protocol.lower()
    return drive(socket.connect(fork, netns, probe.address, probe.port, proto, forced=forced), fork.apply)


def counted(world: World, probe: Probe) -> Ends | None:
    """Each end with its probability: of all sequences of draws, the whole attempt with all of its SYNs."""
    found: Counter[tuple[str | None, ...]] = Counter()
    todo: list[tuple[bool, ...]] = [()]
    for _ in range(MOST):
        if not todo:
            return dict(found)  # type: ignore[arg-type]
        forced = todo.pop()
        attempt = run(world, probe, forced)
        share = Fraction(1)
        for n, draw in enumerate(attempt.draws):
            if n >= len(forced) and draw.probability < 1:
                todo.append((*(d.hit for d in attempt.draws[:n]), not draw.hit))
            share *= draw.probability
        end = attempt.ending
        found[end.outcome, end.answered_by, end.source_seen, end.destination_seen] += share  # type: ignore[assignment]
    return None


def told(world: World, probe: Probe) -> Ends:
    netns = resolve_source(world, probe.source)
    fates = socket.fates(world, netns, probe.address, probe.port, probe.protocol.lower())
    assert sum(fate.probability for fate in fates) == 1
    return {(f.outcome, f.answered_by, f.source_seen, f.destination_seen): f.probability for f in fates}


def assert_counted(world: World, probe: Probe) -> bool:
    found = counted(world, probe)
    assert found is None or found == told(world, probe), probe
    return found is not None and len(found) > 1


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_fates_are_what_counting_every_draw_comes_to(seed: int) -> None:
    random = Random(f"chance {seed}")
    world = served(random).world.fork()
    inject(world, random, random.choice((0, 1, 2)))
    for probe in asked_of(world, random, 12):
        assert_counted(world, probe)


def test_each_of_several_endpoints_has_its_exact_share() -> None:
    cluster = Cluster(nodes=2)
    spec = {"containers": [{"name": "c", "image": "nginx"}]}
    for n in range(5):
        metadata = {"name": f"web-{n}", "labels": {"app": "web"}}
        cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    web = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": web})
    fates = cluster.trace("node:node-1", "svc:default/web").fates()
    assert {f.answered_by for f in fates} == {f"default/web-{n}" for n in range(5)}
    assert sum(f.probability for f in fates) == 1
    assert all(abs(f.probability - Fraction(1, 5)) < Fraction(1, 2**30) for f in fates), "the kernel's 31 bits"
