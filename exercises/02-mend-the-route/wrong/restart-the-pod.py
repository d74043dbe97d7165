# expect: every-pod
"""A Pod that is made again gets a network that works."""


def solve(exercise):
    pod = exercise.cluster.get("pod", exercise.variant["server"])
    exercise.cluster.delete("pod", exercise.variant["server"])
    metadata = {"name": exercise.variant["server"]}
    spec = {field: pod["spec"][field] for field in ("nodeName", "containers")}
    exercise.cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    exercise.answer("node", exercise.variant["place.near"])
