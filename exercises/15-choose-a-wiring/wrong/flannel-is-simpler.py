# expect: policy
"""A NetworkPolicy is enforced because it is there."""

from k8slearn import manifests


def solve(exercise):
    exercise.cluster.apply(manifests.text("flannel"))
    exercise.cluster.advance(seconds=60)
    exercise.answer("wire", "vxlan")
    exercise.answer("why", "policy")
