# expect: law-1-broken
"""A witness of yesterday will do."""


def ending(trace):
    return next(step["n"] for step in trace.to_dict()["steps"] if step["what"] in ("drop", "refuse"))


def point_at(exercise, source, destination, number=ending):
    trace = exercise.cluster.trace(f"default/{source}", f"default/{destination}", exercise.variant["port"])
    evidence = {"source": trace.source, "destination": trace.destination, "port": trace.port}
    exercise.answer("witness", {**evidence, "revision": exercise.cluster.journal.revision, "step": number(trace)})


def solve(exercise):
    names = exercise.variant
    exercise.cluster.node(names["place.near"]).run(f"ip route del {names['place.slice']}.0/24")
    point_at(exercise, names["one"], names["two"])
    nodes = {n["metadata"]["name"]: n["status"]["addresses"][0]["address"] for n in exercise.cluster.get("nodes")}
    back = f"ip route add {names['place.slice']}.0/24 via {nodes[names['place.far']]}"
    exercise.cluster.node(names["place.near"]).run(back)
