"""One of three, the one that never answers, and the node from which nobody reaches it."""


def pods(exercise):
    """The Pods behind the Service."""
    return [p for p in exercise.cluster.get("pods") if p["metadata"].get("labels")]


def solve(exercise):
    names = exercise.variant
    exercise.answer("share", round(100 / len(pods(exercise))))
    exercise.answer("pod", names["bad"])
    exercise.answer("node", names["place.far"])
