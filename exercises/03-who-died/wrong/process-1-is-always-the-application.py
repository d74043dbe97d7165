# expect: shared
"""Process 1 of a container is its application, wherever it runs."""


def solve(exercise):
    names = exercise.variant
    exercise.answer(names["who.shared"], "the application's process")
    exercise.answer(names["who.server"], "the application's process")
    exercise.answer(names["who.sleeper"], "nothing")
    exercise.answer("address", names["who.shared"])
