"""What leaves the node for a peer's Pod is encrypted; a tunnel takes the node's own packets along."""


def solve(exercise):
    native = exercise.variant["mode.routing"] == "native"
    exercise.answer("near", "plain")
    exercise.answer("far", "cipher")
    exercise.answer("host", "plain" if native else "cipher")
    exercise.answer("out", "plain")


def solve_and_look(exercise):
    """To listen afterwards is the point of it."""
    solve(exercise)
    names = exercise.variant
    exercise.cluster.send(f"default/{names['client']}", f"default/{names['far']}", names["port"])
