# expect: mac-far
"""As the IP address stays, so does the MAC address."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("arp-near", names["near"])
    exercise.answer("arp-far", "the gateway")
    exercise.answer("mac-near", names["client"])
    exercise.answer("mac-far", names["client"])
    exercise.answer("ttl", 62)
