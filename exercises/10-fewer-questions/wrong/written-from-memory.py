# expect: same
"""Whatever makes the names right will do."""


def solve(exercise):
    names = exercise.variant
    exercise.cluster.kubectl(f"delete pod {names['client']} -n {names['own']} --now")
    exercise.cluster.advance(seconds=5)
    container = {"name": "app", "image": "nginx"}
    config = {"options": [{"name": "ndots", "value": "2"}]}
    meta = {"name": names["client"], "namespace": names["own"]}
    exercise.cluster.apply(
        {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [container], "dnsConfig": config}}
    )
