# expect: source
"""The Service takes the connection and makes one of its own."""


def solve(exercise):
    names = exercise.variant
    spec = {
        "selector": {"app": names["app"], "track": "stable"},
        "ports": [{"port": names["port"], "targetPort": names["target"]}],
    }
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": names["service"]}, "spec": spec}
    exercise.cluster.apply(service)
    exercise.answer("source", "the Service's")
