# expect: node
"""Whether a Pod is hidden does not depend on whom it asks."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("ttl", 61)
    exercise.answer("row", "the router")
    exercise.answer("node", f"the address of {names['place.near']}" if names["nodes.inside"] == "yes" else "the Pod's")
    exercise.answer("flag", "it does not start")
