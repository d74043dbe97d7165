# expect: same
"""A Service that remembers its clients lets them through."""


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
    exercise.cluster.node(exercise.variant["place.near"]).run(f"bridge link set dev {veth(exercise)} hairpin on")
    affinity = '{"spec": {"sessionAffinity": "ClientIP"}}'
    exercise.cluster.kubectl(f"patch service {exercise.variant['service']} -p '{affinity}'")
