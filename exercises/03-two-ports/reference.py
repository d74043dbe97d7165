"""metrics takes a port of its own."""


def manifest(exercise, port, containers=None):
    names = exercise.variant
    agnhost = "registry.k8s.io/e2e-test-images/agnhost:2.53"
    web = {"name": "web", "image": agnhost, "args": ["netexec", f"--http-port={names['port']}"]}
    metrics = {"name": "metrics", "image": "hashicorp/http-echo", "args": [f"-listen=:{port}", "-text=numbers"]}
    spec = {"nodeName": "node-1", "containers": containers or [web, metrics]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": names["pod"]}, "spec": spec}


def solve(exercise):
    exercise.cluster.delete("pod", exercise.variant["pod"])
    exercise.cluster.advance(seconds=31)
    exercise.cluster.apply(manifest(exercise, exercise.variant["metrics"]))


def solve_by_kubectl(exercise):
    exercise.cluster.kubectl(f"delete pod {exercise.variant['pod']} --now")
    exercise.cluster.advance(seconds=5)
    exercise.cluster.apply(manifest(exercise, exercise.variant["metrics"]))
