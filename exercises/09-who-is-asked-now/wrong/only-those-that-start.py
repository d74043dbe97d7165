# expect: published
"""It is for those that are about to be ready, and not for those that leave."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("now", names["moody.steady"])
    exercise.answer("itself", "connected")
    exercise.answer("without", names["moody.leaving"])
    exercise.answer("nobody", "refused")
    exercise.answer("published", 2)
