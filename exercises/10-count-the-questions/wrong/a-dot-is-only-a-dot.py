# expect: dot
"""A dot at the end changes nothing."""


def solve(exercise):
    exercise.answer("near", 2)
    exercise.answer("far", 4)
    exercise.answer("world", 8)
    exercise.answer("dot", 8)
