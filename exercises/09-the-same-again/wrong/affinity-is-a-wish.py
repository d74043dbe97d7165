# expect: within
"""Affinity makes the same Pod more likely."""


def solve(exercise):
    exercise.answer("within", 3)
    exercise.answer("renewed", 1)
    exercise.answer("later", 3)
    exercise.answer("neighbour", 3)
    exercise.answer("gone", 2)
