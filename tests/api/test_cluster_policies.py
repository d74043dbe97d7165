"""ClusterNetworkPolicies: what their definition refuses, and how tiers, priorities and Pass go with NetworkPolicies."""

from __future__ import annotations

from typing import Any

import pytest

from k8slearn import manifests
from k8slearn.api import load
from k8slearn.api.admit import admit
from k8slearn.api.policy import Verdict
from k8slearn.api.policy.compiled import CLUSTER
from k8slearn.api.status import ApiError
from k8slearn.journal import Put, World

from .test_policies import judge, policy, world
from .world import applied

Obj = dict[str, Any]
__all__ = ["world"]
EVERYBODY: Obj = {"namespaces": {}}
DB: Obj = {"matchLabels": {"app": "db"}}


@pytest.fixture
def served(world: World) -> World:
    """A world whose API serves ClusterNetworkPolicies, as calico's manifest installs them."""
    definitions = [o for o in load(manifests.text("calico")) if o["metadata"]["name"].startswith("clusternetwork")]
    applied(world, definitions)
    return world


def cluster_policy(world: World, name: str, tier: str, priority: int, *actions: str, **other: Any) -> None:
    rules = [{"action": action, "from": [EVERYBODY]} for action in actions]
    spec = {"tier": tier, "priority": priority, "subject": EVERYBODY, "ingress": rules, **other}
    kind = {"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy"}
    obj = admit(world, {**kind, "metadata": {"name": name}, "spec": spec})
    world.apply(Put(("api", CLUSTER, name), obj))


def asked(world: World) -> Verdict:
    return judge(world, "web/api", "web/db")


def test_an_admins_deny_stands_above_every_network_policy(served: World) -> None:
    policy(served, podSelector=DB, ingress=[{}])
    cluster_policy(served, "no", "Admin", 5, "Deny")
    assert asked(served).says == "ClusterNetworkPolicy no, spec.ingress[0]: Deny"


def test_an_admins_accept_opens_what_a_network_policy_closes(served: World) -> None:
    policy(served, podSelector=DB)
    cluster_policy(served, "yes", "Admin", 5, "Accept")
    assert asked(served).allowed


def test_the_lower_priority_number_is_asked_first(served: World) -> None:
    cluster_policy(served, "later", "Admin", 20, "Accept")
    cluster_policy(served, "sooner", "Admin", 10, "Deny")
    assert asked(served).policies[0].name == "sooner"


def test_the_first_rule_of_a_policy_that_fits_decides(served: World) -> None:
    cluster_policy(served, "both", "Admin", 1, "Accept", "Deny")
    assert asked(served).allowed


def test_pass_goes_on_to_the_network_policies(served: World) -> None:
    policy(served, podSelector=DB)
    cluster_policy(served, "pass", "Admin", 1, "Pass", "Accept")
    assert not asked(served).allowed
    assert asked(served).policies[0].kind == "NetworkPolicy"


def test_a_baseline_is_for_pods_that_no_network_policy_isolates(served: World) -> None:
    cluster_policy(served, "base", "Baseline", 1, "Deny")
    assert not asked(served).allowed
    policy(served, podSelector=DB, ingress=[{}])
    assert asked(served).allowed


REFUSALS = [
    ({"tier": "Middle"}, 'spec.tier: Unsupported value: "Middle": supported values: "Admin", "Baseline"'),
    (
        {"priority": 1001},
        "spec.priority: Invalid value: 1001: spec.priority in body should be less than or equal to 1000",
    ),
    ({"subject": {}}, "spec.subject: Invalid value: 0: spec.subject in body should have at least 1 properties"),
    (
        {"subject": {"namespaces": {}, "pods": {"namespaceSelector": {}, "podSelector": {}}}},
        "spec.subject: Too many: 2: must have at most 1 items",
    ),
    ({"ingress": [{"from": [EVERYBODY]}]}, "spec.ingress[0].action: Required value"),
    (
        {"ingress": [{"action": "Deny", "from": []}]},
        "spec.ingress[0].from: Invalid value: 0: spec.ingress[0].from in body should have at least 1 items",
    ),
    (
        {"egress": [{"action": "Deny", "to": [{"networks": ["10.0.0.0"]}]}]},
        'spec.egress[0].to[0].networks[0]: Invalid value: "10.0.0.0": Invalid CIDR format provided',
    ),
]


@pytest.mark.parametrize(("spec", "why"), REFUSALS, ids=[why.partition(":")[0] for _, why in REFUSALS])
def test_what_the_definition_does_not_allow_is_refused_with_its_path(served: World, spec: Obj, why: str) -> None:
    said = {"tier": "Admin", "priority": 1, **spec}
    with pytest.raises(ApiError) as refused:
        cluster_policy(served, "wrong", said.pop("tier"), said.pop("priority"), **said)
    assert f'The ClusterNetworkPolicy "wrong" is invalid: {why}' in str(refused.value)


def test_an_experimental_peer_is_an_unknown_field(served: World) -> None:
    with pytest.raises(ApiError, match=r'unknown field "spec.egress\[0\].to\[0\].nodes"'):
        cluster_policy(served, "x", "Admin", 1, egress=[{"action": "Deny", "to": [{"nodes": {}}]}])


def test_without_its_definition_the_kind_is_not_served(world: World) -> None:
    with pytest.raises(ApiError, match='no matches for kind "ClusterNetworkPolicy"'):
        cluster_policy(world, "x", "Admin", 1, "Deny")
