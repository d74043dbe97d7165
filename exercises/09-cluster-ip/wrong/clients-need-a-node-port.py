# expect: inside
"""To be reachable, a Service needs a port on the nodes."""


def solve(exercise):
    names = exercise.variant
    spec = {
        "type": "NodePort",
        "selector": {"app": names["app"], "track": "stable"},
        "ports": [{"port": names["port"], "targetPort": names["target"]}],
    }
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": names["service"]}, "spec": spec}
    exercise.cluster.apply(service)
    exercise.answer("source", "the client Pod's")
