# expect: foretold
"""To see what happens and then to write it down."""


def solve(exercise):
    names = exercise.variant
    exercise.cluster.send(f"default/{names['client']}", f"default/{names['server']}", names["port"])
    exercise.answer("first", names["place.third"])
    exercise.answer("outcome", "connected")
    exercise.answer("ttl", 61)
    exercise.answer("sees", "the Pod's")
