# expect: inside
"""The client is made an endpoint of the Service, since it runs on a node that lacks one."""


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
    exercise.cluster.kubectl(f"label pod {names['client']} app={names['service']} --overwrite")
    exercise.cluster.apply([pod(names, f"{names['service']}-third", names["place.third"])])
