# expect: sees
"""Whoever sends the datagram is the sender."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("first", names["place.third"])
    exercise.answer("outcome", "connected")
    exercise.answer("ttl", 61)
    exercise.answer("sees", f"the address of {names['place.third']}")
