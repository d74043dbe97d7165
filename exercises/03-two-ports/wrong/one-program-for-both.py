# expect: together
"""A container has as many ports as one likes, so one container will do."""


def solve(exercise):
    names = exercise.variant
    agnhost = "registry.k8s.io/e2e-test-images/agnhost:2.53"
    exercise.cluster.delete("pod", names["pod"])
    exercise.cluster.advance(seconds=31)
    web = {"name": "web", "image": agnhost, "args": ["netexec", f"--http-port={names['port']}"]}
    numbers = {"name": "numbers", "image": "hashicorp/http-echo"}
    numbers["args"] = [f"-listen=:{names['metrics']}", "-text=numbers"]
    spec = {"nodeName": "node-1", "containers": [web, numbers]}
    exercise.cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": names["pod"]}, "spec": spec})
