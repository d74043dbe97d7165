# expect: kept-out
"""What one policy does not stop a stricter one will."""


def solve(exercise):
    exercise.answer("who", "nobody")
    spec = {"podSelector": {}, "policyTypes": ["Ingress"]}
    kind = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}
    exercise.cluster.apply({**kind, "metadata": {"name": "deny-all"}, "spec": spec})
