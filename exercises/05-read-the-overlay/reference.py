"""A node is a router for whatever it is handed, by whatever way."""


def solve(exercise):
    exercise.answer("first", exercise.variant["place.third"])
    exercise.answer("outcome", "connected")
    exercise.answer("ttl", 61)
    exercise.answer("sees", "the Pod's")


def solve_and_look(exercise):
    """To send afterwards is the point of it."""
    solve(exercise)
    names = exercise.variant
    exercise.cluster.send(f"default/{names['client']}", f"default/{names['server']}", names["port"])
