"""The Service's port is the clients' affair, the target port the Pods'."""


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
    names = exercise.variant
    ports = f"--port={names['port']} --target-port={names['target']}"
    exercise.cluster.kubectl(f"expose pod {names['app']}-a --name={names['service']} {ports} --selector=track=stable")
    exercise.answer("source", "the client Pod's")
