# expect: now
"""A Pod that runs is asked."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("now", "all that still run")
    exercise.answer("itself", "connected")
    exercise.answer("without", names["moody.leaving"])
    exercise.answer("nobody", "refused")
    exercise.answer("published", 3)
