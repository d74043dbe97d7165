# expect: shared
"""A selector names one Pod."""


def solve(exercise):
    names = exercise.variant
    spec = {
        "selector": {"app": names["app"], "copy": "a"},
        "ports": [{"port": names["port"], "targetPort": names["target"]}],
    }
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": names["service"]}, "spec": spec}
    exercise.cluster.apply(service)
    exercise.answer("source", "the client Pod's")
