"""The time begins anew with each connection, for one address, as long as the Pod is there."""


def solve(exercise):
    exercise.answer("within", 1)
    exercise.answer("renewed", 1)
    exercise.answer("later", 3)
    exercise.answer("neighbour", 3)
    exercise.answer("gone", 2)


def solve_and_try(exercise):
    """To look afterwards is the point of it."""
    solve(exercise)
    names = exercise.variant
    exercise.cluster.send(f"default/{names['client']}", f"svc:default/{names['service']}", names["port"])
    exercise.cluster.advance(seconds=names["patience"] + 1)
