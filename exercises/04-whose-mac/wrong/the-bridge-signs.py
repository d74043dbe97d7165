# expect: mac-near
"""A bridge is the sender of what it carries."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("arp-near", names["near"])
    exercise.answer("arp-far", "the gateway")
    exercise.answer("mac-near", "the bridge of " + names["place.near"])
    exercise.answer("mac-far", "the bridge of " + names["place.far"])
    exercise.answer("ttl", 62)
