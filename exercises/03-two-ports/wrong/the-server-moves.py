# expect: web
"""Whoever came first has to make room."""


def solve(exercise):
    names = exercise.variant
    agnhost = "registry.k8s.io/e2e-test-images/agnhost:2.53"
    exercise.cluster.delete("pod", names["pod"])
    exercise.cluster.advance(seconds=31)
    web = {"name": "web", "image": agnhost, "args": ["netexec", f"--http-port={names['port'] + 1}"]}
    metrics = {"name": "metrics", "image": "hashicorp/http-echo"}
    metrics["args"] = [f"-listen=:{names['metrics']}", "-text=numbers"]
    spec = {"nodeName": "node-1", "containers": [web, metrics]}
    exercise.cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": names["pod"]}, "spec": spec})
