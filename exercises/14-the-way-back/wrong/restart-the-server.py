# expect: mended
"""A Pod that is made again is reached again."""


def evidence(exercise):
    """The step at which the answer ended."""
    names = exercise.variant
    trace = exercise.cluster.trace(f"default/{names['client']}", f"default/{names['server']}", names["port"])
    step = next(s["n"] for s in trace.to_dict()["steps"] if s["direction"] == "reply" and s["what"] == "drop")
    asked = {"source": trace.source, "destination": trace.destination, "port": trace.port}
    exercise.answer("where", {**asked, "revision": exercise.cluster.journal.revision, "step": step})


def solve(exercise):
    names = exercise.variant
    evidence(exercise)
    exercise.answer("machine", names["fault.on"])
    spec = exercise.cluster.get("pod", names["server"])["spec"]
    containers = [{field: c[field] for field in ("name", "image", "args")} for c in spec["containers"]]
    exercise.cluster.delete("pod", names["server"])
    exercise.cluster.advance(seconds=40)
    again = {"nodeName": spec["nodeName"], "containers": containers}
    exercise.cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": names["server"]}, "spec": again})
