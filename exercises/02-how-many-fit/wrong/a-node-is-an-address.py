# expect: nodes
"""A range has room for as many nodes as it has addresses."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("nodes", 2 ** (32 - names["pods.bits"]))
    exercise.answer("services", 2 ** (32 - names["services.bits"]) - 2)
    exercise.answer("whose", names["address.network"])
