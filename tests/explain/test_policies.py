"""What explain says of a policy: who refused, which rule came nearest, and an edit that mends: it is typed in."""

from __future__ import annotations

import re

import pytest

from k8slearn import Cluster

PODS = """
apiVersion: v1
kind: Pod
metadata: {name: client, labels: {app: client}}
spec: {nodeName: node-1, containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, labels: {app: db}}
spec: {nodeName: node-2, containers: [{name: c, image: nginx}]}
"""
POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: guard}
spec: {podSelector: {matchLabels: {app: %s}}, %s}
"""
API = "podSelector: {matchLabels: {app: api}}"
REFUSALS = [
    (
        "db",
        f"ingress: [{{from: [{{{API}}}]}}]",
        "spec.ingress[0].from[0].podSelector wants app=api",
        "kubectl label pod",
    ),
    ("db", "ingress: [{ports: [{port: 5432}]}]", "spec.ingress[0].ports[0] wants TCP 5432", "kubectl patch"),
    ("db", "policyTypes: [Ingress]", "has a rule under spec.ingress", "kubectl patch"),
    ("db", f"ingress: [{{from: [{{{API}}}], ports: [{{port: 81}}]}}]", "wants TCP 81", "kubectl patch"),
    ("client", "policyTypes: [Egress]", "has a rule under spec.egress", "kubectl patch"),
    ("client", f"policyTypes: [Egress], egress: [{{to: [{{{API}}}]}}]", "egress[0].to[0].podSelector", "kubectl label"),
]


def cluster(network: str = "calico") -> Cluster:
    found = Cluster(nodes=2, network=network)
    found.apply(PODS)
    return found


@pytest.mark.parametrize(("who", "spec", "nearest", "proposed"), REFUSALS, ids=[r[2] for r in REFUSALS])
def test_a_refusal_names_what_missed_and_an_edit_that_mends_it(
    who: str, spec: str, nearest: str, proposed: str
) -> None:
    asked = cluster()
    asked.apply(POLICY % (who, spec))
    trace = asked.trace("default/client", "default/db")
    assert trace.outcome == "timeout"
    said = trace.explain()
    assert nearest in said
    assert f"isolated for {'ingress' if who == 'db' else 'egress'} by NetworkPolicy default/guard" in said
    mended = re.search(r"\(tried on a copy\): `(kubectl .*)`", said)
    assert mended is not None, said
    assert mended[1].startswith(proposed)
    asked.kubectl(mended[1])
    assert asked.trace("default/client", "default/db").outcome == "connected"


def test_where_nobody_enforces_a_policy_the_trace_and_kubectl_say_so() -> None:
    asked = cluster("bridge")
    asked.apply(POLICY % ("db", "policyTypes: [Ingress]"))
    said = asked.trace("default/client", "default/db").explain()
    assert "NetworkPolicy default/guard would refuse it (ingress of default/db), but there is no enforcer" in said
    page = asked.kubectl("describe networkpolicy guard")
    assert "Enforced: no enforcer on this node: node-1, node-2" in page
    assert "Enforced" not in _with_calico()


def _with_calico() -> str:
    enforced = cluster()
    enforced.apply(POLICY % ("db", "policyTypes: [Ingress]"))
    return enforced.kubectl("describe networkpolicy guard")


def test_an_established_connection_is_answered_although_the_answers_are_not_allowed_by_a_rule() -> None:
    asked = cluster()
    asked.apply(POLICY % ("db", "policyTypes: [Ingress, Egress], ingress: [{}]"))
    assert asked.trace("default/client", "default/db").outcome == "connected"
    assert asked.trace("default/db", "default/client").outcome == "timeout"


def test_rules_of_a_dead_agent_stay_and_a_new_policy_does_nothing() -> None:
    asked = cluster()
    asked.delete("daemonset", "calico-node", namespace="kube-system")
    asked.apply(POLICY % ("db", "policyTypes: [Ingress]"))
    trace = asked.trace("default/client", "default/db")
    assert trace.outcome == "connected"
    assert "no enforcer on this node" in trace.explain()
