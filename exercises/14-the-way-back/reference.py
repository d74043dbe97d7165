"""The last step of the SYN-ACK, and what decided there is taken away."""


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
    exercise.cluster.node(names["fault.on"]).run(names["fault.mend"])


def solve_and_tell_afterwards(exercise):
    """Evidence is of a revision: it may be handed in when all is mended."""
    names, then = exercise.variant, exercise.cluster.journal.revision
    ends = (f"default/{names['client']}", f"default/{names['server']}")
    steps = exercise.cluster.trace(*ends, names["port"]).to_dict()["steps"]
    exercise.cluster.node(names["fault.on"]).run(names["fault.mend"])
    number = max(s["n"] for s in steps if s["direction"] == "reply" and s["what"] == "drop")
    asked = {"source": ends[0], "destination": ends[1], "port": names["port"]}
    exercise.answer("where", {**asked, "revision": then, "step": number})
    exercise.answer("machine", names["fault.on"])
