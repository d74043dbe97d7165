# expect: others
"""An empty podSelector is every Pod of the namespace, and all of them are isolated."""


def solve(exercise):
    names = exercise.variant
    peer = {
        "namespaceSelector": {"matchLabels": {"team": names["team"]}},
        "podSelector": {"matchLabels": {"app": names["client"]}},
    }
    spec = {
        "podSelector": {},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [peer], "ports": [{"port": names["port"]}]}],
    }
    exercise.cluster.apply(
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "p"}, "spec": spec}
    )
