# expect: quiet
def solve(exercise):
    exercise.answer("outcome", "connected")
    ports = [{"containerPort": exercise.variant["port"]}, {"containerPort": int(exercise.variant["shut"])}]
    spec = {"containers": [{"name": "c", "image": "example.com/app", "ports": ports}]}
    exercise.cluster.apply(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": exercise.variant["app"]}, "spec": spec}
    )
