# expect: every-pod
"""A Pod that is made again gets a network that works."""


def solve(exercise):
    name = exercise.variant["server"]
    spec = exercise.cluster.get("pod", name)["spec"]
    containers = [{field: c[field] for field in ("name", "image", "args")} for c in spec["containers"]]
    exercise.cluster.delete("pod", name)
    again = {"nodeName": spec["nodeName"], "containers": containers}
    exercise.cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": again})
    exercise.answer("node", exercise.variant["place.near"])
