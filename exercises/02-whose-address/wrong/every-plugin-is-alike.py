# expect: database
"""Whatever the plugin is, a Pod that leaves the cluster looks the same."""


def solve(exercise):
    own = exercise.variant["network"] == "vpc"
    exercise.answer("database", "its node's" if own else "the Pod's")
    exercise.answer("between", "the Pod's")
    exercise.answer("way-in", "connected" if own else "unreachable")
