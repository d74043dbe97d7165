"""Both judges of policies against upstream's own NetworkPolicy tests (kubernetes/kubernetes test/e2e/network/netpol).

network_policies.json is a copy of recorded facts; its `meta` says how to read it. The text is judged on the objects
alone; the packets walk in clusters under calico and cilium whose pods have the recorded addresses.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from k8slearn import Cluster
from k8slearn.api.admit import admit
from k8slearn.api.policy import Asked, allows, party
from k8slearn.api.selectors import equal, labels
from k8slearn.journal import Put, Remove, World
from k8slearn.trace import Trace

TRUTH = json.loads((Path(__file__).parent / "network_policies.json").read_text())
CASES = {case["id"].removeprefix("k8s-e2e/"): case for case in TRUTH["cases"]}
TABLES = {
    "Namespace": "namespaces",
    "Pod": "pods",
    "Service": "services",
    "NetworkPolicy": "networkpolicies",
}
Obj = dict[str, Any]


def key(obj: Obj) -> tuple[str, str, str]:
    """The row of an object, or of an object to delete."""
    metadata = obj.get("metadata") or obj
    name = metadata["name"]
    return "api", TABLES[obj["kind"]], name if obj["kind"] == "Namespace" else f"{metadata['namespace']}/{name}"


def step_by_step(world: World, step: Obj) -> None:
    """Delete, then create or replace, as the recorded step says."""
    for obj in step["delete"]:
        world.apply(Remove(key(obj)))
    for obj in step["apply"]:
        world.apply(Put(key(obj), admit(world, obj) if obj["kind"] == "NetworkPolicy" else obj))


def asked(world: World, probe: Obj) -> Asked:
    """A probe as the policies see it: a Service's address has been translated."""
    source = world.get(("api", "pods", probe["from"]))["status"]["podIP"]
    to, port = probe["to"], probe["port"]
    if to.startswith("svc:"):
        name = to.removeprefix("svc:")
        spec = world.get(("api", "services", name))["spec"]
        port = next((p.get("targetPort", p["port"]) for p in spec["ports"] if p["port"] == port), port)
        pods = world.table("api", "pods").items()
        where = name.partition("/")[0]
        to = next(n for n, pod in pods if equal(spec["selector"], labels(pod)) and n.startswith(f"{where}/"))
        if isinstance(port, str):
            containers = world.get(("api", "pods", to))["spec"]["containers"]
            port = next(p["containerPort"] for c in containers for p in c["ports"] if p["name"] == port)
    address = world.get(("api", "pods", to))["status"]["podIP"]
    return Asked(party(world, source), party(world, address), port, probe["protocol"])


def test_the_text_alone_says_what_upstream_expects_of_every_probe() -> None:
    wrong, count = [], 0
    for name, case in CASES.items():
        world = World()
        for number, step in enumerate(case["steps"]):
            step_by_step(world, step)
            for probe in step["expect"]:
                verdict = allows(world, asked(world, probe))
                count += 1
                if verdict.allowed != probe["allowed"]:
                    wrong.append((name, number, probe, verdict.says))
    assert not wrong, wrong[:3]
    assert count == 10698


# --- the second judge: packets that walk through the rules, or the maps, of an agent ----------------


ANNOTATIONS = {"calico": "cni.projectcalico.org/ipAddrs", "cilium": "k8slearn.io/pod-ips"}
"""How a pod asks for an address under each wiring."""


def placed(obj: Obj, network: str) -> Obj:
    """A pod with the recorded address asked for; a Service as it was recorded."""
    if obj["kind"] != "Pod":
        return obj
    addresses = json.dumps([entry["ip"] for entry in obj["status"]["podIPs"]])
    metadata = {**obj["metadata"], "annotations": {ANNOTATIONS[network]: addresses}}
    return {**{k: v for k, v in obj.items() if k != "status"}, "metadata": metadata}


def disagreements(case: Obj, network: str) -> list[Any]:
    """The probes of a case whose walk, or whose text, says something else than upstream."""
    cluster = Cluster(nodes=2, network=network)
    wrong: list[Any] = []
    for number, step in enumerate(case["steps"]):
        for obj in step["delete"]:
            cluster.delete(obj["kind"], obj["name"], namespace=obj.get("namespace", "default"))
        if step["apply"]:
            cluster.apply([placed(obj, network) for obj in step["apply"]])
        for probe in step["expect"]:
            question = (probe["from"], probe["to"], probe["port"], probe["protocol"])
            walked = cluster.trace(*question)
            said = cluster.policy_allows(*question)
            agree = (walked.outcome == "connected") == probe["allowed"] or is_identitys(network, walked)
            if not agree or said != probe["allowed"]:
                wrong.append((number, question, probe["allowed"], walked.outcome, said))
    return wrong


def is_identitys(network: str, trace: Trace) -> bool:
    """Cilium lets an ipBlock mean no pod, and the trace says so."""
    return network == "cilium" and trace.outcome == "timeout" and "it means no pod and no node" in trace.explain()


FEW = [
    name for name in CASES if name.startswith(("legacy/should-enforce-updated-policy", "legacy/should-ensure-an-ip"))
]


@pytest.mark.parametrize("network", ANNOTATIONS)
@pytest.mark.parametrize("name", FEW)
def test_both_judges_say_what_upstream_expects(name: str, network: str) -> None:
    assert disagreements(CASES[name], network) == []


@pytest.mark.slow
@pytest.mark.parametrize("network", ANNOTATIONS)
@pytest.mark.parametrize("name", [name for name in CASES if name not in FEW])
def test_both_judges_say_what_upstream_expects_in_every_case(name: str, network: str) -> None:
    assert disagreements(CASES[name], network) == []
