# expect: without
"""Where nobody is ready nobody is asked."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("now", names["moody.steady"])
    exercise.answer("itself", "connected")
    exercise.answer("without", "nobody")
    exercise.answer("nobody", "refused")
    exercise.answer("published", 3)
