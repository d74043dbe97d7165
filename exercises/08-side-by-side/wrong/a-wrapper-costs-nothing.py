# expect: room
"""What is around a packet costs nothing."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("around", names["ask.around"])
    exercise.answer("room", 0)
    exercise.answer("whose", names["ask.whose"])
    exercise.answer("ttl", names["ask.ttl"])
    exercise.answer("rules", names["ask.rules"])
