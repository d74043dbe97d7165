# expect: nobody
"""Where nobody is, nobody answers."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("now", names["moody.steady"])
    exercise.answer("itself", "connected")
    exercise.answer("without", names["moody.leaving"])
    exercise.answer("nobody", "timeout")
    exercise.answer("published", 3)
