"""Calico as it comes: IP-in-IP between the nodes, and an agent that enforces policies."""

from k8slearn import manifests


def solve(exercise):
    exercise.cluster.apply(manifests.text("calico"))
    exercise.cluster.advance(seconds=60)
    exercise.answer("wire", "ipip")
    exercise.answer("why", "policy")


def solve_with_no_more_headers_than_needed(exercise):
    """Within a subnet packets travel as they are; between two they are wrapped."""
    text = manifests.text("calico")
    text = text.replace("CALICO_IPV4POOL_IPIP, value: Always", "CALICO_IPV4POOL_IPIP, value: CrossSubnet")
    exercise.cluster.apply(text)
    exercise.cluster.advance(seconds=60)
    exercise.answer("wire", "ipip")
    exercise.answer("why", "policy")


def solve_with_cilium(exercise):
    """Another agent that enforces policies, and a tunnel between the nodes."""
    exercise.cluster.apply(manifests.text("cilium"))
    exercise.cluster.advance(seconds=60)
    exercise.answer("wire", "vxlan")
    exercise.answer("why", "policy")
