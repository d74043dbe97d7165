# expect: outcome
"""A packet that goes to the wrong machine is lost."""


def solve(exercise):
    exercise.answer("first", exercise.variant["place.third"])
    exercise.answer("outcome", "timeout")
    exercise.answer("ttl", 61)
    exercise.answer("sees", "the Pod's")
