# expect: program
"""The plugin that failed is the one that is missing."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("program", "loopback" if names["gone.plugin"] == "bridge" else "bridge")
    exercise.answer("caller", names["gone.caller"])
    exercise.answer("old", "connected")
