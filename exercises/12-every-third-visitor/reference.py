"""The policy stays, and every node gets an endpoint."""


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
    exercise.cluster.apply([pod(names, f"{names['service']}-{n}", names[f"place.{n}"]) for n in ("second", "third")])


def solve_with_a_daemonset(exercise):
    """One on every node; the Pod that was there may stay."""
    names = exercise.variant
    made = pod(names, "x", "x")
    template = {"metadata": {"labels": made["metadata"]["labels"]}, "spec": {"containers": made["spec"]["containers"]}}
    spec = {"selector": {"matchLabels": made["metadata"]["labels"]}, "template": template}
    exercise.cluster.apply({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "all"}, "spec": spec})
