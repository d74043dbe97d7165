# expect: where
"""That the packet set out proves nothing."""


def evidence(exercise):
    names, cluster = exercise.variant, exercise.cluster
    asked = {"source": "outside", "destination": f"node:{names['place.away']}", "port": names["node_port"]}
    trace = cluster.trace("outside", asked["destination"], names["node_port"])
    step = next(s["n"] for s in trace.to_dict()["steps"] if s["what"] != "drop")
    exercise.answer("where", {**asked, "protocol": "TCP", "revision": cluster.journal.revision, "step": step})


def mend(exercise):
    names = exercise.variant
    if names["fault.at"] == "kubectl":
        exercise.cluster.kubectl(names["fault.mend"])
    else:
        exercise.cluster.node(names["place.away"]).run(names["fault.mend"])


def solve(exercise):
    evidence(exercise)
    exercise.answer("why", exercise.variant["fault.why"])
    mend(exercise)
