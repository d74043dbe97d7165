# expect: between
"""A node always puts its own address on what leaves it."""


def solve(exercise):
    own = exercise.variant["network"] == "vpc"
    exercise.answer("database", "the Pod's" if own else "its node's")
    exercise.answer("between", "its node's")
    exercise.answer("way-in", "connected" if own else "unreachable")
