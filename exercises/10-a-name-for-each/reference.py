"""A headless Service, and a StatefulSet that names it."""

IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.53"


def solve(exercise):
    names = exercise.variant
    label = {"app": names["db"]}
    service = {"clusterIP": "None", "selector": label, "ports": [{"name": names["named"], "port": names["port"]}]}
    container = {"name": "app", "image": IMAGE, "args": ["netexec", f"--http-port={names['port']}"]}
    spec = {
        "serviceName": names["service"],
        "replicas": names["copies"],
        "selector": {"matchLabels": label},
        "template": {"metadata": {"labels": label}, "spec": {"containers": [container]}},
    }
    cluster = exercise.cluster
    cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": names["service"]}, "spec": service})
    cluster.apply({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": names["db"]}, "spec": spec})
    cluster.advance(seconds=30)


def solve_all_at_once(exercise):
    """The order does not matter, and neither does whether they start one after the other."""
    names = exercise.variant
    manifest = f"""
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: {names["db"]}}}
spec:
  serviceName: {names["service"]}
  podManagementPolicy: Parallel
  replicas: {names["copies"]}
  selector: {{matchLabels: {{part: data}}}}
  template:
    metadata: {{labels: {{part: data}}}}
    spec:
      containers:
      - {{name: app, image: "{IMAGE}", args: [netexec, "--http-port={names["port"]}"]}}
---
apiVersion: v1
kind: Service
metadata: {{name: {names["service"]}}}
spec:
  clusterIP: None
  selector: {{part: data}}
  ports: [{{name: {names["named"]}, port: {names["port"]}}}]
"""
    exercise.cluster.apply(manifest)
    exercise.cluster.advance(seconds=30)
