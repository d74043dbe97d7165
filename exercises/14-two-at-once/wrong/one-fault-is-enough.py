# expect: service
"""Where one fault was found, it was the fault."""


def solve(exercise):
    names = exercise.variant
    exercise.cluster.node(names["fault.on"]).run(names["fault.mend"])
