# expect: law-3-holds
"""One law or two, broken is broken."""


def ending(trace):
    return next(step["n"] for step in trace.to_dict()["steps"] if step["what"] in ("drop", "refuse"))


def point_at(exercise, source, destination, number=ending):
    trace = exercise.cluster.trace(f"default/{source}", f"default/{destination}", exercise.variant["port"])
    evidence = {"source": trace.source, "destination": trace.destination, "port": trace.port}
    exercise.answer("witness", {**evidence, "revision": exercise.cluster.journal.revision, "step": number(trace)})


def solve(exercise):
    names = exercise.variant
    slice_of_near = exercise.cluster.get("pod", names["one"])["status"]["podIP"].rpartition(".")[0]
    hide = f"iptables -t nat -A POSTROUTING -s {slice_of_near}.0/24 -o eth0 -j MASQUERADE"
    exercise.cluster.node(names["place.near"]).run(hide)
    exercise.cluster.node(names["place.near"]).run(f"ip route del {names['place.slice']}.0/24")
    point_at(exercise, names["one"], names["two"])
