"""A matrix shown in a notebook is drawn, and its text is the table that it prints."""

from __future__ import annotations

from typing import Any

import pytest

from k8slearn import Cluster
from k8slearn.errors import Refused
from k8slearn.matrix import Matrix
from k8slearn.widgets.policy_lines import policy_texts

PODS = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, labels: {app: client}}
spec: {containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, labels: {app: db}}
spec: {containers: [{name: c, image: nginx}]}
"""
POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web-in}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: client}}}]
    ports: [{port: 80}]
"""


@pytest.fixture(scope="module")
def guarded() -> tuple[Cluster, Matrix, Matrix]:
    """A cluster, and its matrix before and after a policy."""
    cluster = Cluster(nodes=2, network="calico")
    cluster.apply(PODS)
    before = cluster.reachability()
    cluster.apply(POLICY)
    return cluster, before, cluster.reachability()


def test_a_matrix_is_drawn_in_a_notebook_and_told_in_words_to_who_does_not_see_it() -> None:
    cluster = Cluster(nodes=1)
    for name in ("a", "b"):
        cluster.kubectl(f"run {name} --image=nginx")
    matrix = cluster.reachability()
    shown = matrix._repr_mimebundle_()
    assert shown["text/plain"] == str(matrix)
    assert 'src="data:image/svg+xml' in shown["text/html"]
    assert 'alt="who reaches whom: port 80/TCP; . connected: 4"' in shown["text/html"]


def test_a_matrix_that_nobody_drew_has_its_table() -> None:
    assert Matrix((), 80, "TCP", {})._repr_mimebundle_() == {"text/plain": "no pod has an address"}


def test_what_has_changed_between_two_matrices_is_what_the_walk_says(guarded: Any) -> None:
    _, before, after = guarded
    changes = after.since(before)
    assert set(changes.closed) == {p for p in before.cells if before.allowed(*p) and not after.allowed(*p)}
    assert ("default/db", "default/web") in changes.closed
    assert changes.opened == ()
    assert before.since(after).opened == changes.closed
    assert "closed  default/db -> default/web: connected, now timeout" in str(changes)
    assert (changes.came, changes.gone) == ((), ())
    assert str(after.since(after)) == f"0 of {len(after.pods) ** 2} pairs have changed"


def test_pods_that_only_one_matrix_has_are_named(guarded: Any) -> None:
    cluster, before, after = guarded
    cluster.kubectl("run late --image=nginx")
    assert cluster.reachability().since(after).came == ("default/late",)
    assert after.since(cluster.reachability()).gone == ("default/late",)
    cluster.undo()
    assert after.only("default/*").since(before).gone == ()


def test_a_matrix_is_filtered_by_names_and_by_what_its_cells_say(guarded: Any) -> None:
    _, _, after = guarded
    assert after.only("default/*").pods == ("default/client", "default/db", "default/web")
    assert after.only("default/*", outcome="timeout").pods == ("default/db", "default/web")
    assert after.only("web", "db").pods == ("default/db", "default/web")
    with pytest.raises(Refused, match="no cell says 'slow'"):
        after.only(outcome="slow")


def test_a_cell_opens_the_trace_as_of_then(guarded: Any) -> None:
    _, before, after = guarded
    assert before.trace("default/db", "default/web").outcome == "connected"
    assert after.trace("default/db", "default/web").outcome == "timeout"
    with pytest.raises(Refused, match="is no pod of this matrix"):
        after.trace("default/db", "default/nobody")


def test_a_cell_of_a_history_that_was_undone_says_so() -> None:
    cluster = Cluster(nodes=1)
    cluster.kubectl("run a --image=nginx")
    matrix = cluster.reachability()
    cluster.undo()
    with pytest.raises(Refused, match="has been undone: ask again"):
        matrix.trace("default/a", "default/a")


@pytest.mark.parametrize(
    ("source", "signs"),
    [
        ("default/client", {"  - from:": "allows this (ingress)"}),
        ("default/db", {"  - from:": "came nearest (ingress)"}),
        ("default/web", {}),
    ],
)
def test_the_lines_of_the_policies_say_what_they_did(guarded: Any, source: str, signs: dict[str, str]) -> None:
    (text,) = policy_texts(guarded[0].world, source, "default/web", 80, "TCP")
    assert text.title == "NetworkPolicy default/web-in"
    told = {line.says: line.sign for line in text.lines if line.sign and "podSelector" not in line.says}
    assert {line: sign.partition(":")[0] for line, sign in told.items()} == signs
    selects = {line.says: line.sign for line in text.lines if line.sign and line.says == "  podSelector:"}
    assert selects == ({"  podSelector:": "selects default/web, for ingress"} if signs else {})


def test_the_widget_filters_and_opens_and_says_what_has_changed(guarded: Any) -> None:
    pytest.importorskip("anywidget", reason="anywidget is not installed")
    _, before, after = guarded
    walk = after.walk(before)
    walk.pattern = "default/*"
    assert walk.table["pods"] == ["default/client", "default/db", "default/web"]
    assert walk.table["rows"][1][2] == ["T-", "default/db to default/web: timeout; it was connected: closed"]
    assert walk.table["says"].startswith("3 of 5 pods. 2 of 25 pairs have changed: 2 closed")
    walk.changed = True
    assert walk.table["pods"] == ["default/db", "default/web"]
    walk.choose("default/db", "default/web")
    assert walk.trace.outcome == "timeout"
    assert walk.result["explains"] == walk.trace.explain().splitlines()
    assert walk.result["policies"][0][0] == "NetworkPolicy default/web-in"
    walk.chosen = ["default/db"]
    assert walk.result["error"] == "a cell is chosen as [source, destination]"
    walk.chosen = ["default/db", "nobody"]
    assert "is no pod of this matrix" in walk.result["error"]
