"""Three routers; one range that is spared; a flag that nobody knows any more."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("ttl", 61)
    exercise.answer("row", "the router")
    exercise.answer("node", "the Pod's" if names["nodes.inside"] == "yes" else f"the address of {names['place.near']}")
    exercise.answer("flag", "it does not start")


def solve_and_look(exercise):
    """To send afterwards is the point of it."""
    solve(exercise)
    names = exercise.variant
    exercise.cluster.send(f"default/{names['client']}", f"node:{names['place.far']}", 10250)
