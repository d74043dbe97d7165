# expect: predicted
def solve(exercise):
    exercise.answer("outcome", "timeout")
    spec = {
        "containers": [
            {"name": "c", "image": "example.com/app", "ports": [{"containerPort": exercise.variant["port"]}]}
        ]
    }
    exercise.cluster.apply(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": exercise.variant["app"]}, "spec": spec}
    )
