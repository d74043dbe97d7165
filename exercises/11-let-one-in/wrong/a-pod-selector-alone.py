# expect: let-in
"""A podSelector alone means Pods of the policy's own namespace, and nobody there fits."""


def solve(exercise):
    names = exercise.variant
    rule = {
        "from": [{"podSelector": {"matchLabels": {"app": "somebody", "team": names["team"]}}}],
        "ports": [{"port": names["port"]}],
    }
    spec = {"podSelector": {"matchLabels": {"app": names["server"]}}, "policyTypes": ["Ingress"], "ingress": [rule]}
    exercise.cluster.apply(
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "p"}, "spec": spec}
    )
