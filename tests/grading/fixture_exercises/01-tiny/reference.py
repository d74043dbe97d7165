def pod(exercise, *ports):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": exercise.variant["app"]},
        "spec": {
            "containers": [{"name": "c", "image": "example.com/app", "ports": [{"containerPort": p} for p in ports]}]
        },
    }


def solve(exercise):
    exercise.cluster.apply(pod(exercise, exercise.variant["port"]))
    exercise.answer("outcome", "connected")
    exercise.answer("why", "it listens")


def solve_the_other_way_round(exercise):
    exercise.answer("outcome", "timeout")
    exercise.answer("outcome", "connected")
    exercise.cluster.apply(pod(exercise, exercise.variant["port"], 7))
