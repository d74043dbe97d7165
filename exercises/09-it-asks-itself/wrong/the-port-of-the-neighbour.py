# expect: itself
"""Any port of the bridge will do."""


def evidence(exercise, what="drop"):
    """The step at which the Pod's connection to itself ended."""
    names = exercise.variant
    trace = exercise.cluster.trace(f"default/{names['app']}", f"svc:default/{names['service']}", names["port"])
    step = next(s["n"] for s in trace.to_dict()["steps"] if s["what"] == what)
    found = {"source": trace.source, "destination": trace.destination, "port": trace.port}
    return {**found, "revision": exercise.cluster.journal.revision, "step": step}


def veth(exercise):
    """The node's end of the Pod's cable."""
    cluster, names = exercise.cluster, exercise.variant
    number = cluster.pod(names["app"]).run("ip -o link show eth0").stdout.split("@if")[1].split(":")[0]
    links = cluster.node(names["place.near"]).run("ip -o link").stdout.splitlines()
    return next(line.split(": ")[1].split("@")[0] for line in links if line.startswith(f"{number}: "))


def solve(exercise):
    exercise.answer("where", evidence(exercise))
    exercise.answer("seen", "the node's, on the bridge")
    node = exercise.cluster.node(exercise.variant["place.near"])
    links = node.run("ip -o link show type veth").stdout.splitlines()
    names = [line.split(": ")[1].split("@")[0] for line in links if "master cni0" in line]
    other = next(name for name in names if name != veth(exercise))
    node.run(f"bridge link set dev {other} hairpin on")
