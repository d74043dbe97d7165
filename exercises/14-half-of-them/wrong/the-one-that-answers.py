# expect: pod
"""The Pod that answers is the one that is overloaded."""


def pods(exercise):
    """The Pods behind the Service."""
    return [p for p in exercise.cluster.get("pods") if p["metadata"].get("labels")]


def solve(exercise):
    names = exercise.variant
    exercise.answer("share", round(100 / len(pods(exercise))))
    exercise.answer("pod", f"{names['service']}-2")
    exercise.answer("node", names["place.far"])
