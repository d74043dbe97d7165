"""One bridge leaves all as it is; two routers make a new frame each."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("arp-near", names["near"])
    exercise.answer("arp-far", "the gateway")
    exercise.answer("mac-near", names["client"])
    exercise.answer("mac-far", "the bridge of " + names["place.far"])
    exercise.answer("ttl", 62)


def solve_and_listen(exercise):
    """To look afterwards is the point of it."""
    solve(exercise)
    names = exercise.variant
    exercise.cluster.send(f"default/{names['client']}", f"default/{names['far']}", names["port"])
    exercise.cluster.pod(names["far"]).run("tcpdump -eni eth0")
