# expect: inside
"""The policy Default is the usual one."""


def again(exercise, **spec):
    """The same Pod, made anew with something else in its spec."""
    names = exercise.variant
    pod = exercise.cluster.get("pod", names["client"], names["own"])
    exercise.cluster.kubectl(f"delete pod {names['client']} -n {names['own']} --now")
    exercise.cluster.advance(seconds=5)
    wanted = {
        "nodeName": pod["spec"]["nodeName"],
        "containers": [{name: c[name] for name in ("name", "image", "args")} for c in pod["spec"]["containers"]],
    }
    kept = {name: pod["metadata"][name] for name in ("name", "namespace", "labels")}
    exercise.cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": kept, "spec": wanted | spec})


def solve(exercise):
    again(exercise, dnsPolicy="Default")
