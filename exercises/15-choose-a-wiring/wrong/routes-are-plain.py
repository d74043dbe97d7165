# expect: wire
"""Calico works with routes, so its packets travel as they are."""

from k8slearn import manifests


def solve(exercise):
    exercise.cluster.apply(manifests.text("calico"))
    exercise.cluster.advance(seconds=60)
    exercise.answer("wire", "nothing")
    exercise.answer("why", "policy")
