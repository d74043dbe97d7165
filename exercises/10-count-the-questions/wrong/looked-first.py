# expect: foretold
"""To see what happens and then to write it down."""


def solve(exercise):
    names = exercise.variant
    exercise.cluster.pod(names["client"], names["own"]).run(f"nslookup {names['service']}")
    exercise.answer("near", 2)
    exercise.answer("far", 4)
    exercise.answer("world", 8)
    exercise.answer("dot", 2)
