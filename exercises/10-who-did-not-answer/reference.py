"""The step that drops, what it said to the client, and one thing taken back."""


def evidence(exercise, what="drop"):
    """The step at which a question for a name ended."""
    names = exercise.variant
    asked = (f"default/{names['client']}", "svc:kube-system/kube-dns")
    trace = exercise.cluster.trace(*asked, port=53, protocol="UDP")
    step = next(s["n"] for s in trace.to_dict()["steps"] if s["what"] == what)
    found = {"source": trace.source, "destination": trace.destination, "port": 53, "protocol": "UDP"}
    return {**found, "revision": exercise.cluster.journal.revision, "step": step}


def solve(exercise):
    names = exercise.variant
    exercise.answer("where", evidence(exercise))
    exercise.answer("heard", names["fault.heard"])
    exercise.answer("name", f"{names['service']}.default")
    if names["fault.on"] == "kubectl":
        exercise.cluster.kubectl(names["fault.mend"])
    else:
        exercise.cluster.node(names["fault.on"]).run(names["fault.mend"])


def solve_by_its_number(exercise):
    """A rule that stands first is the first; a selector is written again."""
    names = exercise.variant
    exercise.answer("where", evidence(exercise))
    exercise.answer("heard", names["fault.heard"])
    exercise.answer("name", f"{names['service']}.default")
    if names["fault.on"] == "kubectl":
        exercise.cluster.kubectl(names["fault.mend"])
    else:
        exercise.cluster.node(names["fault.on"]).run("iptables -D FORWARD 1")
