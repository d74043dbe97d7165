# expect: later
"""Once given, always given."""


def solve(exercise):
    exercise.answer("within", 1)
    exercise.answer("renewed", 1)
    exercise.answer("later", 1)
    exercise.answer("neighbour", 3)
    exercise.answer("gone", 2)
