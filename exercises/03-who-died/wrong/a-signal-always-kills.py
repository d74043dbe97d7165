# expect: sleeper
"""Who is killed, dies."""


def solve(exercise):
    names = exercise.variant
    exercise.answer(names["who.shared"], "the pause container's process")
    exercise.answer(names["who.server"], "the application's process")
    exercise.answer(names["who.sleeper"], "the application's process")
    exercise.answer("address", names["who.shared"])
