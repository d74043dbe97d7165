# expect: let-in
"""A policy sees the packet after kube-proxy's DNAT: its port is the Pod's."""


def solve(exercise):
    names = exercise.variant
    peer = {
        "namespaceSelector": {"matchLabels": {"team": names["team"]}},
        "podSelector": {"matchLabels": {"app": names["client"]}},
    }
    rule = {"from": [peer], "ports": [{"port": names["outer"]}]}
    spec = {"podSelector": {"matchLabels": {"app": names["server"]}}, "policyTypes": ["Ingress"], "ingress": [rule]}
    exercise.cluster.apply(
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "p"}, "spec": spec}
    )
