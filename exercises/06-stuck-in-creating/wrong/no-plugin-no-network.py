# expect: old
"""Without its plugin a Pod has no network."""


def solve(exercise):
    exercise.answer("program", exercise.variant["gone.plugin"])
    exercise.answer("caller", exercise.variant["gone.caller"])
    exercise.answer("old", "timeout")
