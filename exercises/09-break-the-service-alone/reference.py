"""The rule stands before the one that changes the address, on one node."""


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
    exercise.cluster.node(names["place.near"]).run(f"iptables -t raw -I PREROUTING -d {address(exercise)} -j DROP")
    exercise.answer("witness", evidence(exercise))


def solve_in_another_table(exercise):
    """The table mangle is asked before nat, too."""
    names = exercise.variant
    rule = f"iptables -t mangle -A PREROUTING -d {address(exercise)}/32 -p tcp --dport {names['port']} -j DROP"
    exercise.cluster.node(names["place.near"]).run(rule)
    exercise.answer("witness", evidence(exercise))
