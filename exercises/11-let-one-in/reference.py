"""One policy: the server is selected, and one peer says "and"."""


def policy(names, name, peers, **more):
    rule = {"from": peers, "ports": [{"port": names["port"]}], **more}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": {
            "podSelector": {"matchLabels": {"app": names["server"]}},
            "policyTypes": ["Ingress"],
            "ingress": [rule],
        },
    }


def peer(names):
    return {
        "namespaceSelector": {"matchLabels": {"team": names["team"]}},
        "podSelector": {"matchLabels": {"app": names["client"]}},
    }


def solve(exercise):
    exercise.cluster.apply(policy(exercise.variant, "let-one-in", [peer(exercise.variant)]))


def solve_in_two(exercise):
    """One policy isolates, another one allows, and the namespace is named by its own label."""
    names = exercise.variant
    isolated = policy(names, "isolate", [])
    isolated["spec"]["ingress"] = []
    named = {**peer(names), "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": names["team"]}}}
    exercise.cluster.apply([isolated, policy(names, "allow", [named])])
