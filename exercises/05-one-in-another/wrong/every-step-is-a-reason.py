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
    return step(exercise, lambda s: "wrapped into UDP" in s["says"])


def far(exercise):
    return step(exercise, lambda s: "unwrapped" in s["says"])


def row(exercise):
    there = f"node:{exercise.variant['place.far']}"
    return step(exercise, lambda s: s["what"] == "route" and s["where"] == there and "dev cni0" in s["because"]["text"])


def solve(exercise):
    more = step(exercise, lambda s: s["what"] == "bridge")
    exercise.answer("why", [near(exercise), far(exercise), row(exercise), more])
