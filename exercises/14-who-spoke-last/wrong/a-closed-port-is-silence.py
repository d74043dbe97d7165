# expect: closed
"""A port where nobody listens does not answer."""


def solve(exercise):
    exercise.answer("empty", "refused")
    exercise.answer("dropped", "timeout")
    exercise.answer("lost", "unreachable")
    exercise.answer("closed", "timeout")
