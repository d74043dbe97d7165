# expect: machine
"""It goes by a machine that nobody thought of."""


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
    exercise.answer("machine", names["place.third"])
    exercise.cluster.node(names["fault.on"]).run(names["fault.mend"])
