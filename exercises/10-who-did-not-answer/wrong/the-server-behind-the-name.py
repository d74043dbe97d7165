# expect: mended
"""Where a name does not lead, its own Service is broken."""


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
    exercise.cluster.kubectl(f"delete service {names['service']}")
    spec = {"selector": {"app": names["service"]}, "ports": [{"port": names["port"]}]}
    meta = {"name": names["service"]}
    exercise.cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec})
