# expect: foretold
"""To see what happens and then to write it down."""


def solve(exercise):
    names = exercise.variant
    exercise.cluster.send(f"default/{names['client']}", f"default/{names['server']}", names["port"])
    exercise.answer("ttl", 61)
    exercise.answer("row", "the router")
    exercise.answer("node", "the Pod's" if names["nodes.inside"] == "yes" else f"the address of {names['place.near']}")
    exercise.answer("flag", "it does not start")
