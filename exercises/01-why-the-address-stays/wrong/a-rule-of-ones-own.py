# expect: true
"""To show that a rule does it, write one and watch."""


def step(exercise, to, port, wanted, **fact):
    """Evidence: the number of the first step of which this is true."""
    trace = exercise.cluster.trace(f"default/{exercise.variant['client']}", to, port)
    number = next(s["n"] for s in trace.to_dict()["steps"] if wanted(s))
    found = {"source": trace.source, "destination": trace.destination, "port": port}
    return {**found, "revision": exercise.cluster.journal.revision, "step": number}


def seen_by_pod(exercise):
    names = exercise.variant
    return step(exercise, f"default/{names['server']}", names["port"], lambda s: s["what"] == "deliver")


def hidden(exercise):
    return step(exercise, "outside", 80, lambda s: "MASQUERADE" in s["says"])


def solve(exercise):
    node = exercise.cluster.node(exercise.variant["place.near"])
    node.run("iptables -t nat -I POSTROUTING -d 203.0.113.7 -j MASQUERADE")
    exercise.answer("why", [seen_by_pod(exercise), hidden(exercise)])
