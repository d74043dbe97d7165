# expect: node
"""The cause is where the client is that complains."""


def pods(exercise):
    """The Pods behind the Service."""
    return [p for p in exercise.cluster.get("pods") if p["metadata"].get("labels")]


def solve(exercise):
    names = exercise.variant
    exercise.answer("share", round(100 / len(pods(exercise))))
    exercise.answer("pod", names["bad"])
    exercise.answer("node", names["place.near"])
