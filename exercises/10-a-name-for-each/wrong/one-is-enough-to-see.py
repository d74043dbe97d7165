# expect: copies
"""One Pod more, to be on the safe side."""

IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.53"


def solve(exercise):
    names = exercise.variant
    label = {"app": names["db"]}
    service = {"clusterIP": "None", "selector": label, "ports": [{"name": names["named"], "port": names["port"]}]}
    container = {"name": "app", "image": IMAGE, "args": ["netexec", f"--http-port={names['port']}"]}
    spec = {
        "serviceName": names["service"],
        "replicas": names["copies"] + 1,
        "selector": {"matchLabels": label},
        "template": {"metadata": {"labels": label}, "spec": {"containers": [container]}},
    }
    cluster = exercise.cluster
    cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": names["service"]}, "spec": service})
    cluster.apply({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": names["db"]}, "spec": spec})
    cluster.advance(seconds=30)
