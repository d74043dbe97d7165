"""A rule for one source."""


def point_at(exercise, source, destination, what="nat"):
    names = exercise.variant
    trace = exercise.cluster.trace(f"default/{names[source]}", f"default/{names[destination]}", names["port"])
    number = next((step["n"] for step in trace.to_dict()["steps"] if step["what"] == what), 1)
    evidence = {"source": trace.source, "destination": trace.destination, "port": trace.port}
    exercise.answer("witness", {**evidence, "revision": exercise.cluster.journal.revision, "step": number})


def hide(exercise, on, rule):
    address = exercise.cluster.get("pod", exercise.variant["one"])["status"]["podIP"]
    node = exercise.cluster.node(exercise.variant[on])
    node.run("iptables -t nat -A POSTROUTING " + rule.format(one=address) + " -j MASQUERADE")


def solve(exercise):
    hide(exercise, "place.near", "-s {one}/32 -o eth0")
    point_at(exercise, "one", "two")


def solve_where_it_arrives(exercise):
    """The node of the one that is asked can hide who asks, too."""
    hide(exercise, "place.third", "-s {one}/32 -o cni0")
    point_at(exercise, "one", "three")
