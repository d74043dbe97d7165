# expect: ttl
"""Two nodes, one hop between them."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("arp-near", names["near"])
    exercise.answer("arp-far", "the gateway")
    exercise.answer("mac-near", names["client"])
    exercise.answer("mac-far", "the bridge of " + names["place.far"])
    exercise.answer("ttl", 63)
