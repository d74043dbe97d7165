# expect: way-in
"""If a Pod reaches a machine, the machine reaches the Pod; and where it does not, it is silent."""


def solve(exercise):
    own = exercise.variant["network"] == "vpc"
    exercise.answer("database", "the Pod's" if own else "its node's")
    exercise.answer("between", "the Pod's")
    exercise.answer("way-in", "timeout" if own else "connected")
