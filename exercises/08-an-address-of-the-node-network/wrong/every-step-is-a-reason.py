# expect: relevant
"""The more steps are named, the better is the explanation."""


def step(exercise, wanted):
    """Evidence: the number of the first step of which this is true."""
    names = exercise.variant
    trace = exercise.cluster.trace(f"default/{names['client']}", f"default/{names['server']}", names["port"])
    number = next(s["n"] for s in trace.to_dict()["steps"] if wanted(s))
    found = {"source": trace.source, "destination": trace.destination, "port": trace.port}
    return {**found, "revision": exercise.cluster.journal.revision, "step": number}


def row(exercise):
    near = f"node:{exercise.variant['place.near']}"
    return step(exercise, lambda s: s["what"] == "route" and s["where"] == near)


def answer(exercise):
    return step(exercise, lambda s: s["where"] == "switch" and "answers itself" in s["says"])


def solve(exercise):
    more = step(exercise, lambda s: s["what"] == "transmit")
    exercise.answer("why", [row(exercise), answer(exercise), more])
