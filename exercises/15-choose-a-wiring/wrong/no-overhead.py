# expect: everybody
"""Wrapping costs bytes, and routers know routes."""

from k8slearn import manifests


def solve(exercise):
    exercise.cluster.apply(
        manifests.text("calico").replace("CALICO_IPV4POOL_IPIP, value: Always", "CALICO_IPV4POOL_IPIP, value: Never")
    )
    exercise.cluster.advance(seconds=60)
    exercise.answer("wire", "nothing")
    exercise.answer("why", "policy")
