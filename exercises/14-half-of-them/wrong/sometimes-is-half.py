# expect: share
"""What works now and then works every other time."""


def pods(exercise):
    """The Pods behind the Service."""
    return [p for p in exercise.cluster.get("pods") if p["metadata"].get("labels")]


def solve(exercise):
    names = exercise.variant
    exercise.answer("share", 50)
    exercise.answer("pod", names["bad"])
    exercise.answer("node", names["place.far"])
