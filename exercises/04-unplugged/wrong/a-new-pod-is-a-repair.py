# expect: kept
"""A Pod that does not answer is deleted and made again."""


def solve(exercise):
    name = exercise.variant["deaf"]
    spec = exercise.cluster.get("pod", name)["spec"]
    containers = [{field: c[field] for field in ("name", "image", "args")} for c in spec["containers"]]
    exercise.cluster.delete("pod", name)
    exercise.cluster.advance(seconds=31)
    again = {"nodeName": spec["nodeName"], "containers": containers}
    exercise.cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": again})
