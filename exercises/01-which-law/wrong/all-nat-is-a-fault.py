# expect: outside
"""No translation between Pods: so no translation at all."""


def evidence(exercise, wanted=None):
    """The packet that shows which law is broken, and the step that decided it."""
    names, cluster = exercise.variant, exercise.cluster
    source = f"node:{names['place.near']}" if names["fault.law"] == 2 else f"default/{names['client']}"
    destination = names["near"] if names["fault.law"] == 2 else names["far"]
    trace = cluster.trace(source, f"default/{destination}", names["port"])
    what = wanted or ("nat" if names["fault.law"] == 3 else "drop")
    step = next(s["n"] for s in trace.to_dict()["steps"] if s["what"] == what)
    found = {"source": trace.source, "destination": trace.destination, "port": trace.port}
    return {**found, "revision": cluster.journal.revision, "step": step}


def solve(exercise):
    names = exercise.variant
    exercise.answer("law", names["fault.law"])
    exercise.answer("witness", evidence(exercise))
    exercise.cluster.node(names["place.near"]).run(names["fault.mend"])
    exercise.cluster.node(names["place.near"]).run("iptables -t nat -F POSTROUTING")
