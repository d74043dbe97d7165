# expect: arp-far
"""ARP finds any address."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("arp-near", names["near"])
    exercise.answer("arp-far", names["far"])
    exercise.answer("mac-near", names["client"])
    exercise.answer("mac-far", "the bridge of " + names["place.far"])
    exercise.answer("ttl", 62)
