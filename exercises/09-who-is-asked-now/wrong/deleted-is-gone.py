# expect: itself
"""A Pod that is being deleted is not there any more."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("now", names["moody.steady"])
    exercise.answer("itself", "timeout")
    exercise.answer("without", names["moody.leaving"])
    exercise.answer("nobody", "refused")
    exercise.answer("published", 3)
