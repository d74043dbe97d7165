# expect: answers
"""Copies on the node that had one help no other node."""


def pod(names, name, node):
    image = "registry.k8s.io/e2e-test-images/agnhost:2.53"
    container = {"name": "app", "image": image, "args": ["netexec", f"--http-port={names['port']}"]}
    metadata = {"name": name, "labels": {"app": names["service"]}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"nodeName": node, "containers": [container]},
    }


def solve(exercise):
    names = exercise.variant
    exercise.cluster.apply([pod(names, f"{names['service']}-{n}", names["place.home"]) for n in ("second", "third")])
