# expect: metrics
"""A container that ends was started too early."""


def solve(exercise):
    names = exercise.variant
    agnhost = "registry.k8s.io/e2e-test-images/agnhost:2.53"
    exercise.cluster.delete("pod", names["pod"])
    exercise.cluster.advance(seconds=31)
    web = {"name": "web", "image": agnhost, "args": ["netexec", f"--http-port={names['port']}"]}
    metrics = {"name": "metrics", "image": "hashicorp/http-echo"}
    metrics["args"] = [f"-listen=:{names['port']}", "-text=numbers"]
    spec = {"nodeName": "node-1", "containers": [web, metrics]}
    exercise.cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": names["pod"]}, "spec": spec})
    exercise.cluster.advance(seconds=120)
