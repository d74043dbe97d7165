# expect: address
"""A container that is started again gets another address."""


def solve(exercise):
    names = exercise.variant
    exercise.answer(names["who.shared"], "the pause container's process")
    exercise.answer(names["who.server"], "the application's process")
    exercise.answer(names["who.sleeper"], "nothing")
    exercise.answer("address", names["who.server"])
