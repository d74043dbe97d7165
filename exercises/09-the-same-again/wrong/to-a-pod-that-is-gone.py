# expect: gone
"""The kernel goes on sending to the Pod that it remembers."""


def solve(exercise):
    exercise.answer("within", 1)
    exercise.answer("renewed", 1)
    exercise.answer("later", 3)
    exercise.answer("neighbour", 3)
    exercise.answer("gone", 1)
