# expect: lost
"""A packet that is sent to nobody is gone without a word."""


def solve(exercise):
    exercise.answer("empty", "refused")
    exercise.answer("dropped", "timeout")
    exercise.answer("lost", "timeout")
    exercise.answer("closed", "refused")
