# expect: caller
"""The kubelet calls the plugins, as it always did."""


def solve(exercise):
    exercise.answer("program", exercise.variant["gone.plugin"])
    exercise.answer("caller", "the kubelet")
    exercise.answer("old", "connected")
