"""One Pod, two containers, and one word about their processes."""

IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.53"


def solve(exercise):
    names = exercise.variant
    web = {"name": "web", "image": IMAGE, "args": ["netexec", f"--http-port={names['port']}"]}
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


def solve_by_a_selector(exercise):
    """The scheduler is told where, and finds one node that fits."""
    names = exercise.variant
    manifest = f"""
apiVersion: v1
kind: Pod
metadata: {{name: {names["pod"]}, labels: {{app: {names["pod"]}}}}}
spec:
  shareProcessNamespace: true
  nodeSelector: {{kubernetes.io/hostname: {names["place.node"]}}}
  containers:
  - {{name: box, image: busybox, command: [sleep, infinity]}}
  - {{name: web, image: "{IMAGE}", args: [netexec, "--http-port={names["port"]}"]}}
"""
    exercise.cluster.apply(manifest)
    exercise.cluster.advance(seconds=5)
    exercise.answer("first", "/pause")
    exercise.answer("takes", "no")
