# expect: reach
"""Each connection meets each rule."""


def given(exercise):
    """How many of the connections that the node remembers were given the first Pod."""
    names = exercise.variant
    address = exercise.cluster.get("pod", f"{names['service']}-1")["status"]["podIP"]
    known = exercise.cluster.node(names["place.near"]).run("conntrack -L -p tcp").stdout.splitlines()
    return sum(f"src={address} " in line.partition("dport")[2] for line in known)


def solve(exercise):
    names = exercise.variant
    for _ in range(30):
        exercise.cluster.send(f"default/{names['client']}", f"svc:default/{names['service']}", names["port"])
    exercise.answer("share", round(100 / names["behind.n"]))
    exercise.answer("reach", 100)
    exercise.answer("written", 1 / (names["behind.n"] - 1))
    exercise.answer("numbers", names["behind.n"])
    exercise.answer("measured", given(exercise))
