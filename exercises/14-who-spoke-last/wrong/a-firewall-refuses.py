# expect: dropped
"""A firewall that forbids something refuses it."""


def solve(exercise):
    exercise.answer("empty", "refused")
    exercise.answer("dropped", "refused")
    exercise.answer("lost", "unreachable")
    exercise.answer("closed", "refused")
