# expect: arp-near
"""Whatever leaves a Pod goes to its gateway."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("arp-near", "the gateway")
    exercise.answer("arp-far", "the gateway")
    exercise.answer("mac-near", names["client"])
    exercise.answer("mac-far", "the bridge of " + names["place.far"])
    exercise.answer("ttl", 62)
