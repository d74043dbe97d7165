# expect: host
"""It depends on the sender alone, or on the receiver alone."""


def solve(exercise):
    native = exercise.variant["mode.routing"] == "native"
    exercise.answer("near", "plain")
    exercise.answer("far", "cipher")
    exercise.answer("host", "cipher" if native else "plain")
    exercise.answer("out", "plain")
