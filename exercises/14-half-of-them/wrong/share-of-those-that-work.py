# expect: share
"""The share of the attempts that get through."""


def pods(exercise):
    """The Pods behind the Service."""
    return [p for p in exercise.cluster.get("pods") if p["metadata"].get("labels")]


def solve(exercise):
    names = exercise.variant
    exercise.answer("share", 67)
    exercise.answer("pod", names["bad"])
    exercise.answer("node", names["place.far"])
