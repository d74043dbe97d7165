"""What the text of policies says: who is isolated, which rule allows, and what missed by how little."""

from __future__ import annotations

from typing import Any

import pytest

from k8slearn.api.admit import admit
from k8slearn.api.policy import Asked, Verdict, allows, nearest, party
from k8slearn.journal import Put, World

Obj = dict[str, Any]
ADDRESSES = {
    "web/api": "10.244.1.1",
    "web/db": "10.244.1.2",
    "ops/probe": "10.244.2.1",
    "node-1": "192.168.64.11",
    "node-2": "192.168.64.12",
}


def pod(path: str, **spec: Any) -> Obj:
    namespace, _, name = path.partition("/")
    ports = [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]
    return {
        "metadata": {"namespace": namespace, "name": name, "labels": {"app": name}},
        "spec": {"nodeName": "node-1", "containers": [{"name": "c", "ports": ports}], **spec},
        "status": {"podIPs": [{"ip": ADDRESSES[path]}]},
    }


@pytest.fixture
def world() -> World:
    """Two namespaces, three pods on node-1, and a second node."""
    found = World()
    for name in ("web", "ops"):
        row = {"metadata": {"name": name, "labels": {"team": name}}}
        found.apply(Put(("api", "namespaces", name), row))
    for path in ("web/api", "web/db", "ops/probe"):
        found.apply(Put(("api", "pods", path), pod(path)))
    for name in ("node-1", "node-2"):
        status = {"addresses": [{"type": "InternalIP", "address": ADDRESSES[name]}]}
        found.apply(Put(("api", "nodes", name), {"metadata": {"name": name}, "status": status}))
    return found


def policy(world: World, name: str = "p", **spec: Any) -> None:
    metadata = {"name": name, "namespace": "web"}
    obj = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}
    world.apply(Put(("api", "networkpolicies", f"web/{name}"), admit(world, obj)))


def question(world: World, source: str, to: str, port: int = 80, protocol: str = "TCP") -> Asked:
    ends = (party(world, ADDRESSES.get(end, end)) for end in (source, to))
    return Asked(*ends, port, protocol)


def judge(world: World, source: str, to: str, port: int = 80, protocol: str = "TCP") -> Verdict:
    return allows(world, question(world, source, to, port, protocol))


def lacks(world: World, source: str, to: str, port: int = 80, protocol: str = "TCP") -> tuple[str, ...]:
    asked = question(world, source, to, port, protocol)
    miss = nearest(world, asked, allows(world, asked))
    return miss.lacks if miss is not None else ()


DB: Obj = {"matchLabels": {"app": "db"}}


def test_without_a_policy_everybody_reaches_everybody(world: World) -> None:
    assert judge(world, "ops/probe", "web/db").allowed


def test_a_policy_isolates_only_in_the_directions_that_it_names(world: World) -> None:
    policy(world, podSelector=DB, policyTypes=["Ingress"])
    assert not judge(world, "web/api", "web/db").allowed
    assert judge(world, "web/db", "web/api").allowed


def test_one_entry_wants_both_selectors_and_two_entries_want_either(world: World) -> None:
    team, app = {"matchLabels": {"team": "ops"}}, {"matchLabels": {"app": "api"}}
    both = [{"namespaceSelector": team, "podSelector": app}]
    policy(world, podSelector=DB, ingress=[{"from": both}])
    assert not judge(world, "ops/probe", "web/db").allowed
    policy(world, podSelector=DB, ingress=[{"from": [{"namespaceSelector": team}, {"podSelector": app}]}])
    assert judge(world, "ops/probe", "web/db").allowed
    assert judge(world, "web/api", "web/db").allowed


def test_a_pods_own_node_gets_in_and_another_node_does_not(world: World) -> None:
    policy(world, podSelector=DB)
    assert judge(world, "node-1", "web/db").allowed
    assert not judge(world, "node-2", "web/db").allowed


def test_a_pod_on_its_nodes_network_has_no_policies(world: World) -> None:
    world.apply(Put(("api", "pods", "web/db"), pod("web/db", hostNetwork=True)))
    policy(world, podSelector={}, policyTypes=["Ingress", "Egress"])
    assert party(world, ADDRESSES["web/db"]).pod == ""
    assert not judge(world, "web/api", "node-2").allowed
    assert judge(world, "node-2", "node-1").allowed


def test_a_named_port_is_the_port_of_that_name_of_the_pod_that_is_reached(world: World) -> None:
    policy(world, podSelector=DB, ingress=[{"ports": [{"port": "http"}]}])
    assert judge(world, "web/api", "web/db", 8080).allowed
    assert not judge(world, "web/api", "web/db", 80).allowed
    assert not judge(world, "web/api", "web/db", 8080, "UDP").allowed


def test_a_range_ends_with_its_end_port(world: World) -> None:
    policy(world, podSelector=DB, ingress=[{"ports": [{"port": 80, "endPort": 82}]}])
    assert [judge(world, "web/api", "web/db", port).allowed for port in (79, 80, 82, 83)] == [False, True, True, False]


def test_an_address_block_has_holes(world: World) -> None:
    block = {"cidr": "10.244.0.0/16", "except": ["10.244.2.0/24"]}
    policy(world, podSelector=DB, ingress=[{"from": [{"ipBlock": block}]}])
    assert judge(world, "web/api", "web/db").allowed
    assert not judge(world, "ops/probe", "web/db").allowed
    assert lacks(world, "ops/probe", "web/db") == (
        "spec.ingress[0].from[0].ipBlock excepts 10.244.2.0/24, where 10.244.2.1 is",
    )


def test_the_nearest_rule_says_which_label_missed(world: World) -> None:
    far = {"from": [{"podSelector": {"matchLabels": {"app": "x", "tier": "y"}}}], "ports": [{"port": 443}]}
    near = {"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 80}]}
    policy(world, podSelector=DB, ingress=[far, near])
    assert lacks(world, "web/api", "web/db") == (
        "spec.ingress[1].from[0].podSelector wants app=web, and web/api has app=api",
    )


def test_the_nearest_rule_says_which_port_missed(world: World) -> None:
    policy(world, podSelector=DB, ingress=[{"ports": [{"port": 5432}]}])
    assert lacks(world, "web/api", "web/db") == ("spec.ingress[0].ports[0] wants TCP 5432, and this is TCP 80",)


def test_a_pod_selector_alone_means_the_policys_own_namespace(world: World) -> None:
    policy(world, podSelector=DB, ingress=[{"from": [{"podSelector": {}}]}])
    assert judge(world, "web/api", "web/db").allowed
    assert lacks(world, "ops/probe", "web/db") == (
        "spec.ingress[0].from[0] has no namespaceSelector, so it means pods of namespace web only, "
        "and ops/probe is in ops",
    )
