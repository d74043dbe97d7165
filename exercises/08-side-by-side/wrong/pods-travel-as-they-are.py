# expect: around
"""A Pod's packet travels as it is, whatever the plugin."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("around", "nothing")
    exercise.answer("room", names["ask.room"])
    exercise.answer("whose", names["ask.whose"])
    exercise.answer("ttl", names["ask.ttl"])
    exercise.answer("rules", names["ask.rules"])
