# expect: sufficient
"""Whatever is changed on the way there stays so."""


def fact(exercise, wanted):
    """Evidence: the first step of the request of which this is true."""
    names = exercise.variant
    trace = exercise.cluster.trace(f"default/{names['client']}", f"svc:default/{names['service']}", names["port"])
    number = next(s["n"] for s in trace.to_dict()["steps"] if wanted(s))
    found = {"source": trace.source, "destination": trace.destination, "port": trace.port}
    return {**found, "revision": exercise.cluster.journal.revision, "step": number}


def near(exercise):
    return f"node:{exercise.variant['place.near']}"


def chosen(exercise):
    return fact(exercise, lambda s: s["what"] == "rule" and ": DNAT" in s["says"])


def known(exercise):
    return fact(exercise, lambda s: s["what"] == "route" and s["where"] == near(exercise))


def wrapped(exercise):
    return fact(exercise, lambda s: s["where"] == near(exercise) and "wrapped into" in s["says"])


def seen(exercise):
    return fact(exercise, lambda s: s["what"] == "deliver" and "agnhost" in s["says"])


def back(exercise):
    return fact(exercise, lambda s: s["what"] == "nat" and s["says"].startswith("source "))


def solve(exercise):
    exercise.answer("why", [chosen(exercise), known(exercise), wrapped(exercise), seen(exercise)])
