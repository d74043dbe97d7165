# expect: ttl
"""Nodes on one link send to each other directly, whatever they carry."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("ttl", 62)
    exercise.answer("row", "the router")
    exercise.answer("node", "the Pod's" if names["nodes.inside"] == "yes" else f"the address of {names['place.near']}")
    exercise.answer("flag", "it does not start")
