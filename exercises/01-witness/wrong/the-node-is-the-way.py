# expect: nodes-reach
"""To cut Pods off from each other, cut their nodes off."""


def ending(trace):
    return next(step["n"] for step in trace.to_dict()["steps"] if step["what"] in ("drop", "refuse"))


def point_at(exercise, source, destination, number=ending):
    trace = exercise.cluster.trace(f"default/{source}", f"default/{destination}", exercise.variant["port"])
    evidence = {"source": trace.source, "destination": trace.destination, "port": trace.port}
    exercise.answer("witness", {**evidence, "revision": exercise.cluster.journal.revision, "step": number(trace)})


def solve(exercise):
    names = exercise.variant
    exercise.cluster.node(names["place.near"]).run("ip link set eth0 down")
    point_at(exercise, names["one"], names["two"])
