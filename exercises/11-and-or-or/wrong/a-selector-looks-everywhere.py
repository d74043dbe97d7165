# expect: far
"""A podSelector is taken to mean every namespace, and a namespaceSelector to mean only others."""


def outcome(holds):
    return "connected" if holds else "timeout"


def solve(exercise):
    first, second = (exercise.variant[f"peers.{n}"] for n in ("one", "two"))
    alone = first.startswith("{podSelector") or second.startswith("{podSelector")
    every = "namespaceSelector: {}," in first
    team = first.startswith("{namespaceSelector")
    exercise.answer("near", outcome(alone or every))
    exercise.answer("far", outcome(not team))
    exercise.answer("guest", outcome(team and "podSelector" not in first))
    exercise.answer("elsewhere", "timeout")
    exercise.answer("back", "connected")
