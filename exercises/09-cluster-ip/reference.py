"""The Service's port is the clients' affair, the target port the Pods'."""

import json


def service(exercise, **changes):
    names = exercise.variant
    spec = {
        "selector": {"app": names["app"], "track": "stable"},
        "ports": [{"port": names["port"], "targetPort": names["target"]}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": names["service"]},
        "spec": {**spec, **changes},
    }


def solve(exercise):
    exercise.cluster.apply(service(exercise))
    exercise.answer("source", "the client Pod's")


def solve_with_track_alone(exercise):
    exercise.cluster.apply(service(exercise, selector={"track": "stable"}))
    exercise.answer("source", "the client Pod's")


def solve_by_kubectl(exercise):
    exercise.cluster.kubectl("apply -f -", stdin=json.dumps(service(exercise)))
    exercise.answer("source", "the client Pod's")
