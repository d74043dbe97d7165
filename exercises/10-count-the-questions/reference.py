"""The list from left to right, and two questions for each name."""


def solve(exercise):
    exercise.answer("near", 2)
    exercise.answer("far", 4)
    exercise.answer("world", 8)
    exercise.answer("dot", 2)


def solve_and_look(exercise):
    """To look afterwards is the point of it."""
    solve(exercise)
    names = exercise.variant
    exercise.cluster.pod(names["client"], names["own"]).run(f"nslookup {names['service']}")
