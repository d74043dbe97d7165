# expect: no-canary
"""All Pods of one application belong together."""


def solve(exercise):
    names = exercise.variant
    spec = {"selector": {"app": names["app"]}, "ports": [{"port": names["port"], "targetPort": names["target"]}]}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": names["service"]}, "spec": spec}
    exercise.cluster.apply(service)
    exercise.answer("source", "the client Pod's")
