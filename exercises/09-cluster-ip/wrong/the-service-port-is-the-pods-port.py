# expect: answers
"""A Service listens where its Pods listen."""


def solve(exercise):
    names = exercise.variant
    spec = {"selector": {"app": names["app"], "track": "stable"}, "ports": [{"port": names["port"]}]}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": names["service"]}, "spec": spec}
    exercise.cluster.apply(service)
    exercise.answer("source", "the client Pod's")
