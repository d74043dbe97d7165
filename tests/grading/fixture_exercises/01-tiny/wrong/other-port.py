# expect: answers
def solve(exercise):
    exercise.answer("outcome", "connected")
    spec = {"containers": [{"name": "c", "image": "example.com/app", "ports": [{"containerPort": 1234}]}]}
    exercise.cluster.apply(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": exercise.variant["app"]}, "spec": spec}
    )
