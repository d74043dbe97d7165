"""How connections spread over endpoints: the exact probabilities of `fates()` against thousands of real connections.

Pearson's chi-square: were the probabilities wrong by a few percent, the sum would be far above its bound; are they
right, it exceeds the bound once in a million runs, whatever the kernel draws.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from k8slearn import Cluster, manifests
from k8slearn.journal import World

from .twin import Answer, Probe, ask_engine, ask_kernel, kernel

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(shutil.which("iptables-restore") is None, reason="not installed: iptables-restore"),
]
CONNECTIONS, AT_ONCE = 2000, 250
BOUNDS = {1: 23.93, 2: 27.63, 3: 30.66, 4: 33.38, 5: 35.89, 6: 38.26}
"""Degrees of freedom -> what a chi-square exceeds with a probability of one in a million."""
ON = {"a": "node-1", "b": "node-2", "c": "node-2", "d": "node-2", "e": "node-3"}
Obj = dict[str, Any]


def pod(name: str, node: str, app: str) -> Obj:
    ports = [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]
    spec = {"nodeName": node, "containers": [{"name": "c", "image": "example.org/echo:1", "ports": ports}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": app}}, "spec": spec}


def service(name: str, **spec: Any) -> Obj:
    given = {"selector": {"app": "web"}, "ports": [{"port": 80}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": given}


def spreading() -> Cluster:
    """Five endpoints on three nodes (one on the control plane), and a cloud that sends to nodes and not to pods."""
    cluster = Cluster(nodes=3)
    cluster.apply(manifests.addon("cloud"))
    cluster.apply([*(pod(name, node, "web") for name, node in ON.items()), pod("client", "node-1", "client")])
    cluster.apply(service("plain"))
    cluster.apply(service("door", type="NodePort"))
    cluster.apply(service("cloud", type="LoadBalancer", externalTrafficPolicy="Local"))
    cluster.apply(service("near", internalTrafficPolicy="Local"))
    cluster.apply(service("names", ports=[{"port": 53, "protocol": "UDP"}]))
    cluster.apply(service("sticky", sessionAffinity="ClientIP"))
    return cluster


def doors(cluster: Cluster) -> dict[str, Probe]:
    """A question for each Service, by its name."""
    own = {s["metadata"]["name"]: s for s in cluster.get("services")}
    ips = {name: s["spec"]["clusterIP"] for name, s in own.items()}
    balancer = own["cloud"]["status"]["loadBalancer"]["ingress"][0]["ip"]
    return {
        "plain": Probe("default/client", ips["plain"], 80, "TCP"),
        "door": Probe("outside", "192.168.64.12", own["door"]["spec"]["ports"][0]["nodePort"], "TCP"),
        "cloud": Probe("outside", balancer, 80, "TCP"),
        "near": Probe("node:node-2", ips["near"], 80, "TCP"),
        "names": Probe("node:node-3", ips["names"], 53, "UDP"),
        "sticky": Probe("default/client", ips["sticky"], 80, "TCP"),
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, dict[str, Probe], Path]]:
    cluster = spreading()
    world, questions = cluster.world.fork(), doors(cluster)
    with kernel(world, tmp_path_factory.mktemp("split")) as script:
        yield world, questions, script


def expected(world: World, probe: Probe) -> dict[Answer, float]:
    fates = ask_engine(world, probe)
    assert sum(fate.probability for fate in fates) == 1
    return {Answer(f.outcome, f.answered_by, f.source_seen): float(f.probability) for f in fates}


@pytest.mark.parametrize(("name", "endpoints"), [("plain", 5), ("door", 5), ("cloud", 4), ("near", 3), ("names", 5)])
def test_real_connections_spread_as_the_exact_probabilities_say(
    built: tuple[World, dict[str, Probe], Path], name: str, endpoints: int
) -> None:
    world, questions, script = built
    probable = expected(world, questions[name])
    seen: Counter[Answer] = Counter()
    for _ in range(CONNECTIONS // AT_ONCE):
        seen.update(ask_kernel(script, [questions[name]] * AT_ONCE))
    assert set(seen) == set(probable)
    assert len(probable) == endpoints
    chi = sum((seen[a] - CONNECTIONS * p) ** 2 / (CONNECTIONS * p) for a, p in probable.items())
    assert chi < BOUNDS[endpoints - 1], (seen, probable)


def test_a_cloud_that_sends_to_nodes_spreads_unevenly_over_pods(
    built: tuple[World, dict[str, Probe], Path],
) -> None:
    world, questions, _ = built
    shares = {a.answered_by: p for a, p in expected(world, questions["cloud"]).items()}
    assert "default/a" not in shares, "a control plane is left out"
    assert shares["default/e"] == pytest.approx(1 / 2)
    assert [shares[f"default/{name}"] for name in "bcd"] == pytest.approx([1 / 6] * 3)


def test_who_answered_a_client_first_answers_it_again(built: tuple[World, dict[str, Probe], Path]) -> None:
    world, questions, script = built
    first = ask_kernel(script, [questions["sticky"]])
    assert first[0] in expected(world, questions["sticky"])
    assert set(ask_kernel(script, [questions["sticky"]] * AT_ONCE)) == set(first)
