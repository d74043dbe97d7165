# expect: guest
"""A policy is for the Pods of other namespaces."""


def made(version, kind, name, spec):
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}


def solve(exercise):
    names, cluster = exercise.variant, exercise.cluster
    label = {"app": names["api"]}
    args = ["netexec", f"--http-port={names['port']}"]
    pod = {"containers": [{"name": "app", "image": "registry.k8s.io/e2e-test-images/agnhost:2.53", "args": args}]}
    template = {"metadata": {"labels": label}, "spec": pod}
    deployment = {"replicas": 2, "selector": {"matchLabels": label}, "template": template}
    cluster.apply(made("apps/v1", "Deployment", names["api"], deployment))
    service = {"selector": label, "ports": [{"port": 80, "targetPort": names["port"]}]}
    cluster.apply(made("v1", "Service", names["api"], service))
    rule = {"from": [{"podSelector": {}}], "ports": [{"port": names["port"]}]}
    policy = {"podSelector": {"matchLabels": label}, "policyTypes": ["Ingress"], "ingress": [rule]}
    cluster.apply(made("networking.k8s.io/v1", "NetworkPolicy", names["api"], policy))
    cluster.advance(seconds=30)
