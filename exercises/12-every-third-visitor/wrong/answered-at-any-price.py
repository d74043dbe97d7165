# expect: seen
"""Cluster answers at every node, and hides the visitor again."""


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
    service = exercise.variant["service"]
    exercise.cluster.kubectl(f'patch service {service} -p \'{{"spec":{{"externalTrafficPolicy":"Cluster"}}}}\'')
