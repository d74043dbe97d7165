# expect: foretold
"""To see what happens and then to write it down."""


def solve(exercise):
    names = exercise.variant
    exercise.cluster.send(f"default/{names['client']}", f"default/{names['far']}", names["port"])
    exercise.answer("arp-near", names["near"])
    exercise.answer("arp-far", "the gateway")
    exercise.answer("mac-near", names["client"])
    exercise.answer("mac-far", "the bridge of " + names["place.far"])
    exercise.answer("ttl", 62)
