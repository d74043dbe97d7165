# expect: who-lost
"""Only a server can refuse."""

import json


def step(exercise, service, wanted):
    """Evidence: the number of the first step of which this is true."""
    names = exercise.variant
    trace = exercise.cluster.trace(f"default/{names['client']}", f"svc:default/{service}", names["port"])
    number = next(s["n"] for s in trace.to_dict()["steps"] if wanted(s))
    found = {"source": trace.source, "destination": trace.destination, "port": trace.port}
    return {**found, "revision": exercise.cluster.journal.revision, "step": number}


def solve(exercise):
    names = exercise.variant
    exercise.answer("lost", step(exercise, names["two.lost"], lambda s: s["what"] == "drop"))
    exercise.answer("deaf", step(exercise, names["two.deaf"], lambda s: s["what"] == "refuse"))
    exercise.answer("who-lost", "a Pod behind it")
    exercise.answer("who-deaf", "a Pod behind it")
    selector = json.dumps({"spec": {"selector": {"app": names["two.lost"]}}})
    exercise.cluster.kubectl(f"patch service {names['two.lost']} -p '{selector}'")
    ports = json.dumps({"spec": {"ports": [{"port": names["port"], "targetPort": names["target"]}]}})
    exercise.cluster.kubectl(f"patch service {names['two.deaf']} --type=merge -p '{ports}'")
