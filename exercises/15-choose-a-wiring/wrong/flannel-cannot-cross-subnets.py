# expect: why
"""flannel needs all nodes on one link."""

from k8slearn import manifests


def solve(exercise):
    exercise.cluster.apply(manifests.text("calico"))
    exercise.cluster.advance(seconds=60)
    exercise.answer("wire", "ipip")
    exercise.answer("why", "subnets")
