"""The step that drops, its reason, and the command that takes it back."""


def evidence(exercise):
    names, cluster = exercise.variant, exercise.cluster
    asked = {"source": "outside", "destination": f"node:{names['place.away']}", "port": names["node_port"]}
    trace = cluster.trace("outside", asked["destination"], names["node_port"])
    step = next(s["n"] for s in trace.to_dict()["steps"] if s["what"] == "drop")
    exercise.answer("where", {**asked, "protocol": "TCP", "revision": cluster.journal.revision, "step": step})


def mend(exercise):
    names = exercise.variant
    if names["fault.at"] == "kubectl":
        exercise.cluster.kubectl(names["fault.mend"])
    else:
        exercise.cluster.node(names["place.away"]).run(names["fault.mend"])


def solve(exercise):
    evidence(exercise)
    exercise.answer("why", exercise.variant["fault.why"])
    mend(exercise)


def solve_by_kube_proxy(exercise):
    """A new endpoint on every node, and a sync with it: whatever it was, but for a rule in the way."""
    names = exercise.variant
    if "FORWARD" in names["fault.run"]:
        return solve(exercise)
    evidence(exercise)
    exercise.answer("why", names["fault.why"])
    image = "registry.k8s.io/e2e-test-images/agnhost:2.53"
    container = {"name": "app", "image": image, "args": ["netexec", f"--http-port={names['port']}"]}
    metadata, spec = {"name": "second", "labels": {"app": names["service"]}}, {"nodeName": names["place.away"]}
    exercise.cluster.apply(
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**spec, "containers": [container]}}
    )
