# expect: web
"""The port of another Pod is taken on the node."""

IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.53"


def solve(exercise):
    names = exercise.variant
    web = {"name": "web", "image": IMAGE, "args": ["netexec", f"--http-port={names['port'] + 1}"]}
    box = {"name": "box", "image": "busybox", "command": ["sleep", "infinity"]}
    spec = {
        "shareProcessNamespace": True,
        "nodeName": names["place.node"],
        "containers": [web, box],
    }
    meta = {"name": names["pod"]}
    exercise.cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    exercise.answer("first", "/pause")
    exercise.answer("takes", "no")
