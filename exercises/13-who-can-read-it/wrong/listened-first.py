# expect: foretold
"""To listen, and then to write down what was heard."""


def solve(exercise):
    names = exercise.variant
    exercise.cluster.send(f"default/{names['client']}", f"default/{names['far']}", names["port"])
    native = exercise.variant["mode.routing"] == "native"
    exercise.answer("near", "plain")
    exercise.answer("far", "cipher")
    exercise.answer("host", "plain" if native else "cipher")
    exercise.answer("out", "plain")
