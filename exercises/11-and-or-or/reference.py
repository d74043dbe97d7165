"""Each is answered from the text of the policy."""


def outcome(holds):
    return "connected" if holds else "timeout"


def solve(exercise):
    first, second = (exercise.variant[f"peers.{n}"] for n in ("one", "two"))
    alone = first.startswith("{podSelector") or second.startswith("{podSelector")
    every = "namespaceSelector: {}," in first
    team = first.startswith("{namespaceSelector")
    exercise.answer("near", outcome(alone or every))
    exercise.answer("far", outcome(team))
    exercise.answer("guest", outcome(team and "podSelector" not in first))
    exercise.answer("elsewhere", "timeout")
    exercise.answer("back", "connected")
