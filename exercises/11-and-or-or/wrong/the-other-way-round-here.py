# expect: near
"""Whoever has the label in another namespace is taken for the one at home, and the other way round."""


def outcome(holds):
    return "connected" if holds else "timeout"


def solve(exercise):
    first, second = (exercise.variant[f"peers.{n}"] for n in ("one", "two"))
    alone = first.startswith("{podSelector") or second.startswith("{podSelector")
    every = "namespaceSelector: {}," in first
    team = first.startswith("{namespaceSelector")
    exercise.answer("near", outcome(not (alone or every)))
    exercise.answer("far", outcome(team))
    exercise.answer("guest", outcome(team and "podSelector" not in first))
    exercise.answer("elsewhere", "timeout")
    exercise.answer("back", "connected")
