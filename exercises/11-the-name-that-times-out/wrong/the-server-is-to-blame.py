# expect: policy
"""The policy of the receiver is taken for the one that isolates the sender."""

DNS = "svc:kube-system/kube-dns"


def evidence(exercise):
    source = f"default/{exercise.variant['client']}"
    trace = exercise.cluster.trace(source, DNS, 53, "UDP")
    step = next(s["n"] for s in trace.to_dict()["steps"] if s["what"] == "drop")
    asked = {"source": source, "destination": DNS, "port": 53, "protocol": "UDP"}
    exercise.answer("where", {**asked, "revision": exercise.cluster.journal.revision, "step": step})
    exercise.answer("policy", f"{exercise.variant['server']}-in")


def allowing(exercise, peers, **more):
    ports = [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]
    selected = {"matchLabels": {"app": exercise.variant["client"]}}
    spec = {"podSelector": selected, "policyTypes": ["Egress"], "egress": [{"to": peers, "ports": ports}]}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "names"},
        "spec": {**spec, **more},
    }


def solve(exercise):
    evidence(exercise)
    peer = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    }
    exercise.cluster.apply(allowing(exercise, [peer]))
