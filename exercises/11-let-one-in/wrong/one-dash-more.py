# expect: kept-out
"""Two entries are two alternatives: the whole team, or any such Pod of the own namespace."""


def solve(exercise):
    names = exercise.variant
    peers = [
        {"namespaceSelector": {"matchLabels": {"team": names["team"]}}},
        {"podSelector": {"matchLabels": {"app": names["client"]}}},
    ]
    rule = {"from": peers, "ports": [{"port": names["port"]}]}
    spec = {"podSelector": {"matchLabels": {"app": names["server"]}}, "policyTypes": ["Ingress"], "ingress": [rule]}
    exercise.cluster.apply(
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "p"}, "spec": spec}
    )
