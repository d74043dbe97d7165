# expect: relevant
"""The more steps are named, the better is the explanation."""


def step(exercise, wanted):
    """Evidence: the number of the first step of which this is true."""
    names = exercise.variant
    trace = exercise.cluster.trace(f"default/{names['client']}", f"default/{names['server']}", names["port"])
    number = next(s["n"] for s in trace.to_dict()["steps"] if wanted(s))
    found = {"source": trace.source, "destination": trace.destination, "port": trace.port}
    return {**found, "revision": exercise.cluster.journal.revision, "step": number}


def near(exercise):
    return step(exercise, lambda s: s["what"] == "route" and s["where"] == f"node:{exercise.variant['place.near']}")


def router(exercise):
    return step(exercise, lambda s: s["what"] == "route" and s["where"] == "router")


def far(exercise):
    return step(exercise, lambda s: s["what"] == "route" and s["where"] == f"node:{exercise.variant['place.far']}")


def solve(exercise):
    more = step(exercise, lambda s: s["what"] == "transmit")
    exercise.answer("why", [near(exercise), router(exercise), far(exercise), more])
