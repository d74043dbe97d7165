# expect: far
"""With its namespace a name is complete."""


def solve(exercise):
    exercise.answer("near", 2)
    exercise.answer("far", 2)
    exercise.answer("world", 8)
    exercise.answer("dot", 2)
