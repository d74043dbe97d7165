"""Edits are true: whatever breaks, what is proposed is typed into the cluster itself, and the outcome flips."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k8slearn import Cluster
from k8slearn.repair import Edit
from tests.explain.broken import KINDS, NETWORKS, Question, answered, broken, questions, whole

SEEDS = st.integers(0, 999)
TRIED = 4
"""Of each question so many edits are typed."""


def typed(cluster: Cluster, edit: Edit) -> Cluster:
    """A cluster in which somebody did what the edit says."""
    copy = cluster.at(cluster.journal.revision)
    for step in edit.typed:
        if not step.on:
            copy.kubectl(step.command, stdin=step.stdin)
        elif step.on.startswith("node:"):
            assert copy.node(step.on.removeprefix("node:")).run(step.command).exit_code == 0, step
        else:
            told = {"on": step.on, "command": step.command, "stdin": "", "env": {}}
            assert copy.engine.do("run", told).exit_code == 0, step
    return copy


def outcomes(cluster: Cluster, question: Question) -> set[str]:
    return {fate.outcome for fate in cluster.trace(question[0], question[1], port=question[2]).fates()}


def assert_true(cluster: Cluster, question: Question, flipped: bool) -> list[Edit]:
    """Each edit makes it connect (or not), for every fate, and opens and closes the pairs that it names."""
    edits: list[Edit] = cluster.trace(question[0], question[1], port=question[2]).repairs()
    assert [edit.size for edit in edits] == sorted(edit.size for edit in edits)
    for edit in [edit for edit in edits if edit.typed][:TRIED]:
        after = typed(cluster, edit)
        assert ("connected" in outcomes(after, question)) is flipped, edit
        assert outcomes(after, question) == {"connected"} or not flipped
        port = int(edit.port.partition("/")[0])
        for pairs, allowed in ((edit.opens, True), (edit.closes, False)):
            for source, to in pairs[:1]:
                assert after.reachability(port).allowed(source, to) is allowed
                assert cluster.reachability(port).allowed(source, to) is not allowed
    return edits


def mends(kind: str, seed: int) -> bool | None:
    """Was an edit found, and was each of them true? None: nothing was broken."""
    found = broken(seed, kind)
    return bool(assert_true(*found, flipped=True)) if found is not None else None


@settings(max_examples=8, deadline=None)
@given(kind=st.sampled_from(sorted(KINDS)), seed=SEEDS)
def test_what_is_proposed_makes_it_connect_whatever_broke(kind: str, seed: int) -> None:
    mends(kind, seed)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_for_nearly_every_fault_an_edit_is_found_and_it_is_true(kind: str) -> None:
    found = [mended for seed in range(8) if (mended := mends(kind, seed)) is not None]
    assert sum(found) >= 0.95 * len(found)


def closes(network: str, seed: int) -> list[Edit]:
    cluster = whole(network)
    question = next(q for q in questions(Random(seed), cluster) if answered(cluster, q))
    return assert_true(cluster, question, flipped=False)


@settings(max_examples=4, deadline=None)
@given(network=st.sampled_from(NETWORKS), seed=SEEDS)
def test_what_is_proposed_closes_what_connects(network: str, seed: int) -> None:
    assert closes(network, seed)


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_for_every_connection_something_is_found_that_closes_it(network: str) -> None:
    assert all(closes(network, seed) for seed in range(6))


def test_an_edit_says_which_other_pairs_it_opens() -> None:
    cluster = Cluster(nodes=2, network="calico")
    cluster.apply([_pod("client", "a"), _pod("other", "a"), _pod("db", "db")])
    guard = {
        "podSelector": {"matchLabels": {"app": "db"}},
        "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "b"}}}]}],
    }
    cluster.apply(
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "guard"}, "spec": guard}
    )
    label, peer, *others = cluster.trace("default/client", "default/db").repairs()
    assert label.says == "`kubectl label pod client -n default app=b --overwrite`"
    assert (label.size, label.opens, label.closes, label.port) == (1, (), (), "80/TCP")
    assert "networkpolicy guard" in peer.says
    assert peer.opens == (("default/other", "default/db"),)
    assert others[-1].typed[0].command == "kubectl delete networkpolicy guard -n default"
    assert label.to_dict()["typed"] == [{"command": label.typed[0].command, "on": "", "stdin": ""}]


def _pod(name: str, app: str) -> dict[str, object]:
    spec = {"containers": [{"name": "c", "image": "nginx"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": app}}, "spec": spec}


def test_two_faults_need_two_changes_and_both_are_named() -> None:
    cluster = whole("bridge").at(whole("bridge").journal.revision)
    cluster.node("node-1").run("sysctl -w net.ipv4.ip_forward=0")
    cluster.node("node-2").run("iptables -P FORWARD DROP")
    pods = {p["spec"]["nodeName"]: f"default/{p['metadata']['name']}" for p in cluster.get("pods")}
    edit = cluster.trace(pods["node-1"], pods["node-2"]).repairs()[0]
    assert (edit.size, {step.on for step in edit.typed}) == (2, {"node:node-1", "node:node-2"})


def test_in_an_exercise_nothing_is_proposed() -> None:
    cluster = whole("bridge").at(whole("bridge").journal.revision)
    cluster.engine.remedies = False
    cluster.node("node-1").run("ip link set eth0 down")
    assert cluster.trace("node:node-1", "node:node-2", port=22).repairs() == []
