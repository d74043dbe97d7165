# expect: server
"""Whoever is started again was a Pod that died."""


def solve(exercise):
    names = exercise.variant
    exercise.answer(names["who.shared"], "the pause container's process")
    exercise.answer(names["who.server"], "the pause container's process")
    exercise.answer(names["who.sleeper"], "nothing")
    exercise.answer("address", names["who.shared"])
