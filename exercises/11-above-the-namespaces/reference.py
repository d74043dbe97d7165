"""One policy with two rules, in this order."""


def policy(names, rules, name="zone", tier="Admin", priority=10):
    subject = {"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": names["team"]}}}
    spec = {"tier": tier, "priority": priority, "subject": subject, "ingress": rules}
    kind = {"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy"}
    return {**kind, "metadata": {"name": name}, "spec": spec}


def probe(names, action="Pass"):
    space = {"matchLabels": {"kubernetes.io/metadata.name": names["watch"]}}
    peer = {"namespaceSelector": space, "podSelector": {"matchLabels": {"app": names["probe"]}}}
    return {"name": "probe", "action": action, "from": [{"pods": peer}]}


def zone(names):
    return {"name": "zone", "action": "Deny", "from": [{"namespaces": {"matchLabels": {"zone": names["zone"]}}}]}


def solve(exercise):
    names = exercise.variant
    exercise.cluster.apply(policy(names, [probe(names), zone(names)]))


def solve_in_two(exercise):
    """Two policies: the smaller number is asked first."""
    names = exercise.variant
    first, then = policy(names, [probe(names)], "first", priority=1), policy(names, [zone(names)], "then", priority=2)
    exercise.cluster.apply([first, then])
