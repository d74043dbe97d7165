# expect: foretold
"""To see what happens and then to write it down."""


def solve(exercise):
    names = exercise.variant
    exercise.cluster.kubectl(f"label pod {names['moody.steady']} app-")
    exercise.answer("now", names["moody.steady"])
    exercise.answer("itself", "connected")
    exercise.answer("without", names["moody.leaving"])
    exercise.answer("nobody", "refused")
    exercise.answer("published", 3)
