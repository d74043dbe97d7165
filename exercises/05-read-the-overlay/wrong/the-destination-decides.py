# expect: first
"""A datagram goes where the Pod is."""


def solve(exercise):
    exercise.answer("first", exercise.variant["place.far"])
    exercise.answer("outcome", "connected")
    exercise.answer("ttl", 61)
    exercise.answer("sees", "the Pod's")
