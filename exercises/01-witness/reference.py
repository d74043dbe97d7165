"""A node that has lost the row to another node's slice."""


def ending(trace):
    """The number of the step at which the packet ended."""
    return next(step["n"] for step in trace.to_dict()["steps"] if step["what"] in ("drop", "refuse"))


def point_at(exercise, source, destination):
    trace = exercise.cluster.trace(f"default/{source}", f"default/{destination}", exercise.variant["port"])
    evidence = {"source": trace.source, "destination": trace.destination, "port": trace.port}
    step = {"revision": exercise.cluster.journal.revision, "step": ending(trace)}
    exercise.answer("witness", {**evidence, **step})


def solve(exercise):
    names = exercise.variant
    exercise.cluster.node(names["place.near"]).run(f"ip route del {names['place.slice']}.0/24")
    point_at(exercise, names["one"], names["two"])


def solve_with_a_rule(exercise):
    names = exercise.variant
    exercise.cluster.node(names["place.far"]).run(f"iptables -A FORWARD -d {names['place.slice']}.0/24 -j DROP")
    point_at(exercise, names["three"], names["two"])


def solve_with_a_lie(exercise):
    """A row that leads to a machine which is not there."""
    names = exercise.variant
    node = exercise.cluster.node(names["place.near"])
    node.run(f"ip route replace {names['place.slice']}.0/24 via 192.168.64.99")
    point_at(exercise, names["two"], names["one"])
