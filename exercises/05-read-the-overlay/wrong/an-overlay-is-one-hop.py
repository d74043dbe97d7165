# expect: ttl
"""A packet in an overlay is not seen by those in between, and loses nothing."""


def solve(exercise):
    exercise.answer("first", exercise.variant["place.third"])
    exercise.answer("outcome", "connected")
    exercise.answer("ttl", 62)
    exercise.answer("sees", "the Pod's")
