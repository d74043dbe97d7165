# expect: whose
"""What begins with 10 is a Pod, or else a machine."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("nodes", 2 ** (24 - names["pods.bits"]))
    exercise.answer("services", 2 ** (32 - names["services.bits"]) - 2)
    exercise.answer("whose", "the node network")
