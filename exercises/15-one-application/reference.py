"""A Deployment, a Service, a policy for its Pods and for their port."""


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
    rule = {"from": [{"podSelector": {"matchLabels": {"app": names["front"]}}}], "ports": [{"port": names["port"]}]}
    policy = {"podSelector": {"matchLabels": label}, "policyTypes": ["Ingress"], "ingress": [rule]}
    cluster.apply(made("networking.k8s.io/v1", "NetworkPolicy", names["api"], policy))
    cluster.advance(seconds=30)


def solve_in_one_file(exercise):
    """The same in one manifest, with a port that has a name."""
    names = exercise.variant
    manifest = f"""
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: only-the-front}}
spec:
  podSelector: {{matchLabels: {{part: api}}}}
  ingress:
  - from: [{{podSelector: {{matchLabels: {{app: {names["front"]}}}}}}}]
---
apiVersion: v1
kind: Service
metadata: {{name: {names["api"]}}}
spec:
  selector: {{part: api}}
  ports: [{{name: http, port: 80, targetPort: web}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {names["api"]}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{part: api}}}}
  template:
    metadata: {{labels: {{part: api}}}}
    spec:
      containers:
      - name: app
        image: registry.k8s.io/e2e-test-images/agnhost:2.53
        args: [netexec, "--http-port={names["port"]}"]
        ports: [{{name: web, containerPort: {names["port"]}}}]
"""
    exercise.cluster.apply(manifest)
    exercise.cluster.advance(seconds=30)
