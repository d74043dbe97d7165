# expect: where
"""The evidence is that the question arrived."""


def solve(exercise):
    names = exercise.variant
    trace = exercise.cluster.trace(f"default/{names['client']}", f"default/{names['server']}", names["port"])
    step = next(s["n"] for s in trace.to_dict()["steps"] if s["what"] == "deliver")
    asked = {"source": trace.source, "destination": trace.destination, "port": trace.port}
    exercise.answer("where", {**asked, "revision": exercise.cluster.journal.revision, "step": step})
    exercise.answer("machine", names["fault.on"])
    exercise.cluster.node(names["fault.on"]).run(names["fault.mend"])
