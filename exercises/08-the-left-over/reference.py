"""The file goes, and the Pod that was wired by it is made again."""


def again(exercise):
    names = exercise.variant
    exercise.cluster.kubectl(f"delete pod {names['late']} --now")
    exercise.cluster.advance(seconds=15)
    agnhost = "registry.k8s.io/e2e-test-images/agnhost:2.53"
    container = {"name": "app", "image": agnhost, "args": ["netexec", f"--http-port={names['port']}"]}
    spec = {"nodeName": names["place.node"], "containers": [container]}
    exercise.cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": names["late"]}, "spec": spec})


def solve(exercise):
    exercise.cluster.node(exercise.variant["place.node"]).run(f"rm /etc/cni/net.d/{exercise.variant['file']}")
    exercise.cluster.advance(seconds=15)
    again(exercise)
