# expect: foretold
"""To see what happens and then to write it down."""


def solve(exercise):
    names = exercise.variant
    exercise.cluster.send(f"default/{names['client']}", f"svc:default/{names['service']}", names["port"])
    exercise.answer("within", 1)
    exercise.answer("renewed", 1)
    exercise.answer("later", 3)
    exercise.answer("neighbour", 3)
    exercise.answer("gone", 2)
