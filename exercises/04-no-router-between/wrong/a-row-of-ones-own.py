# expect: true
"""To show that an entry does it, write one and watch."""


def step(exercise, wanted):
    """Evidence: the number of the first step of which this is true."""
    names = exercise.variant
    trace = exercise.cluster.trace(f"default/{names['client']}", f"default/{names['server']}", names["port"])
    number = next(s["n"] for s in trace.to_dict()["steps"] if wanted(s))
    found = {"source": trace.source, "destination": trace.destination, "port": trace.port}
    return {**found, "revision": exercise.cluster.journal.revision, "step": number}


def neighbour(exercise):
    return step(exercise, lambda s: s["what"] == "arp" and " is at " in s["says"])


def bridge(exercise):
    return step(exercise, lambda s: s["what"] == "bridge" and " is behind " in s["says"])


def solve(exercise):
    exercise.cluster.pod(exercise.variant["server"]).run("ip link set eth0 address 02:00:00:00:00:77")
    exercise.answer("why", [neighbour(exercise), bridge(exercise)])
