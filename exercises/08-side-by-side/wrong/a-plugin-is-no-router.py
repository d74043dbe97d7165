# expect: ttl
"""Between Pods nobody routes."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("around", names["ask.around"])
    exercise.answer("room", names["ask.room"])
    exercise.answer("whose", names["ask.whose"])
    exercise.answer("ttl", 64)
    exercise.answer("rules", names["ask.rules"])
