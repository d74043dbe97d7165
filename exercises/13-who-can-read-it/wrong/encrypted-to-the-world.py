# expect: out
"""What leaves a node is encrypted."""


def solve(exercise):
    native = exercise.variant["mode.routing"] == "native"
    exercise.answer("near", "plain")
    exercise.answer("far", "cipher")
    exercise.answer("host", "plain" if native else "cipher")
    exercise.answer("out", "cipher")
