# expect: near
"""A name is one question."""


def solve(exercise):
    exercise.answer("near", 1)
    exercise.answer("far", 4)
    exercise.answer("world", 8)
    exercise.answer("dot", 2)
