# expect: place
"""A Pod runs where it runs."""

IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.53"


def solve(exercise):
    names = exercise.variant
    web = {"name": "web", "image": IMAGE, "args": ["netexec", f"--http-port={names['port']}"]}
    box = {"name": "box", "image": "busybox", "command": ["sleep", "infinity"]}
    spec = {
        "shareProcessNamespace": True,
        "nodeName": names["place.far"],
        "containers": [web, box],
    }
    meta = {"name": names["pod"]}
    exercise.cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    exercise.answer("first", "/pause")
    exercise.answer("takes", "no")
