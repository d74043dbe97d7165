# expect: far
"""WireGuard is for the nodes; Pods have to encrypt for themselves."""


def solve(exercise):
    native = exercise.variant["mode.routing"] == "native"
    exercise.answer("near", "plain")
    exercise.answer("far", "plain")
    exercise.answer("host", "plain" if native else "cipher")
    exercise.answer("out", "plain")
