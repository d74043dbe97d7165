"""A matrix shown in a notebook is drawn, and its text is the table that it prints."""

from __future__ import annotations

from k8slearn import Cluster
from k8slearn.matrix import Matrix


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
