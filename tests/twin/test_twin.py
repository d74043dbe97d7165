"""The kernel twin: for the same cluster and the same probes, the engine says what a real Linux kernel does.

`pytest -m "root and slow"` asks of 400 clusters and more; the default run takes a few of them.
``python -m tests.twin`` tries fresh ones for as long as you like.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from k8slearn.journal import World

from .faults import inject
from .grown import NETWORKS, dual_stack, grown, policed
from .served import asked_of, served
from .topologies import beyond, on_any_ground, routed
from .twin import disagreements, probes, probes6
from .wired import wired

TOOLS = ("ip", "iptables-restore", "bash", "python3")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]
PROBES = 40
FAULTS = (0, 1, 1, 2, 3)
"""How many things are broken at once: one of these."""
SIDE_BY_SIDE = 6
"""Clusters that stand at the same time: most of the time a probe waits for a timeout."""


def by_components(random: Random) -> World:
    return grown(random).world.fork()


def under(network: str) -> Callable[[Random], World]:
    """Clusters of one wiring."""

    def made(random: Random) -> World:
        return grown(random, (network,)).world.fork()

    made.__name__ = network
    return made


def of_both_families(random: Random) -> World:
    return dual_stack(random).world.fork()


def by_policies(random: Random) -> World:
    return policed(random).world.fork()


def by_services(random: Random) -> World:
    return served(random).world.fork()


def by_hand(random: Random) -> World:
    return wired(random, random.randint(2, 4), random.randint(1, 3), random.choice(("bridge", "kubenet")))


def compare(make: Callable[[Random], World], seed: int, directory: Path) -> list[str]:
    """What differs between the engine and the kernel in the cluster of this seed."""
    random = Random(f"{make.__name__} {seed}")
    world = make(random)
    broken = inject(world, random, random.choice(FAULTS))
    questions = probes(world, random, PROBES)
    if make in (on_any_ground, routed):
        questions = list(dict.fromkeys([*questions, *beyond(world, random, PROBES)]))
    if make is of_both_families:
        questions = list(dict.fromkeys([*questions[: PROBES // 3], *probes6(world, random, PROBES)]))
    if make is by_services:
        questions = list(dict.fromkeys([*questions[: PROBES // 4], *asked_of(world, random, PROBES)]))
    directory.mkdir()
    heading = f"{make.__name__}, seed {seed}: {'; '.join(broken) or 'nothing broken'}"
    return [f"{heading}\n{found}" for found in disagreements(world, questions, directory)]


def assert_twins(make: Callable[[Random], World], seeds: range, tmp_path: Path) -> None:
    with ThreadPoolExecutor(SIDE_BY_SIDE) as side_by_side:
        found = side_by_side.map(lambda seed: compare(make, seed, tmp_path / str(seed)), seeds)
        reports = [report for reports in found for report in reports]
    assert not reports, "\n\n".join([f"{len(reports)} probes differ", *reports])


def test_the_engine_says_what_the_kernel_does_in_a_few_clusters(tmp_path: Path) -> None:
    assert_twins(by_components, range(4), tmp_path)


def test_the_engine_says_what_the_kernel_does_in_a_cluster_of_both_families(tmp_path: Path) -> None:
    assert_twins(of_both_families, range(1), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 32, 8))
def test_the_engine_says_what_the_kernel_does_in_clusters_of_both_families(start: int, tmp_path: Path) -> None:
    assert_twins(of_both_families, range(start, start + 8), tmp_path)


def test_the_engine_says_what_the_kernel_does_on_a_few_grounds(tmp_path: Path) -> None:
    assert_twins(on_any_ground, range(2), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 48, 8))
def test_the_engine_says_what_the_kernel_does_on_any_ground(start: int, tmp_path: Path) -> None:
    assert_twins(on_any_ground, range(start, start + 8), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 24, 8))
def test_the_engine_says_what_the_kernel_does_on_grounds_whose_subnets_agents_must_know(
    start: int, tmp_path: Path
) -> None:
    assert_twins(routed, range(start, start + 8), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 48, 8))
def test_the_engine_says_what_the_kernel_does(start: int, tmp_path: Path) -> None:
    assert_twins(by_components, range(start, start + 8), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_the_engine_says_what_the_kernel_does_under_each_wiring(network: str, tmp_path: Path) -> None:
    assert_twins(under(network), range(12), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 32, 8))
def test_the_engine_says_what_the_kernel_does_with_shapes_that_no_component_makes(start: int, tmp_path: Path) -> None:
    assert_twins(by_hand, range(start, start + 8), tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ipset") is None, reason="not installed: ipset")
@pytest.mark.parametrize("start", range(0, 48, 8))
def test_the_engine_says_what_the_kernel_does_with_policies(start: int, tmp_path: Path) -> None:
    assert_twins(by_policies, range(start, start + 8), tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ipset") is None, reason="not installed: ipset")
@pytest.mark.parametrize("start", range(0, 160, 16))
def test_the_engine_says_what_the_kernel_does_with_services_of_every_kind(start: int, tmp_path: Path) -> None:
    assert_twins(by_services, range(start, start + 16), tmp_path)
