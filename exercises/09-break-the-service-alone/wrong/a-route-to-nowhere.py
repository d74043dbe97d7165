# expect: broken
"""The routing table decides about the Service's address."""


def evidence(exercise, what="drop"):
    """The step at which a connection of the near client's to the Service ended."""
    names = exercise.variant
    trace = exercise.cluster.trace(f"default/{names['client']}", f"svc:default/{names['service']}", names["port"])
    steps = trace.to_dict()["steps"]
    step = next((s["n"] for s in steps if s["what"] == what), len(steps))
    found = {"source": trace.source, "destination": trace.destination, "port": trace.port}
    return {**found, "revision": exercise.cluster.journal.revision, "step": step}


def address(exercise):
    return exercise.cluster.get("service", exercise.variant["service"])["spec"]["clusterIP"]


def solve(exercise):
    names = exercise.variant
    node = exercise.cluster.node(names["place.near"])
    node.run(f"iptables -t raw -I PREROUTING -d {address(exercise)} -j DROP")
    exercise.answer("witness", evidence(exercise))
    node.run(f"iptables -t raw -D PREROUTING -d {address(exercise)} -j DROP")
    node.run(f"ip route add blackhole {address(exercise)}/32")
