# expect: services
"""Of a range every address can be given out."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("nodes", 2 ** (24 - names["pods.bits"]))
    exercise.answer("services", 2 ** (32 - names["services.bits"]))
    exercise.answer("whose", names["address.network"])
