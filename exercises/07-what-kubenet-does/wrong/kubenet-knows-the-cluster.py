# expect: row
"""kubenet writes the routes between the nodes."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("ttl", 61)
    exercise.answer("row", names["place.near"])
    exercise.answer("node", "the Pod's" if names["nodes.inside"] == "yes" else f"the address of {names['place.near']}")
    exercise.answer("flag", "it does not start")
