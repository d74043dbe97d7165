# expect: neighbour
"""All Pods of a node are one client."""


def solve(exercise):
    exercise.answer("within", 1)
    exercise.answer("renewed", 1)
    exercise.answer("later", 3)
    exercise.answer("neighbour", 1)
    exercise.answer("gone", 2)
