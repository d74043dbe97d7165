# expect: rules
"""Whoever brings the network brings the Services, or never does."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("around", names["ask.around"])
    exercise.answer("room", names["ask.room"])
    exercise.answer("whose", names["ask.whose"])
    exercise.answer("ttl", names["ask.ttl"])
    exercise.answer("rules", "yes" if names["ask.three"] == "cilium" else "no")
