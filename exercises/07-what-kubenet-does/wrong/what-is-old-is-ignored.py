# expect: flag
"""A flag that means nothing any more does nothing."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("ttl", 61)
    exercise.answer("row", "the router")
    exercise.answer("node", "the Pod's" if names["nodes.inside"] == "yes" else f"the address of {names['place.near']}")
    exercise.answer("flag", "it takes CNI instead")
