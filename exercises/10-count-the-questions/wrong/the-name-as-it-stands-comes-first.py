# expect: world
"""A name is asked for as it stands; the list is for what is not found."""


def solve(exercise):
    exercise.answer("near", 2)
    exercise.answer("far", 4)
    exercise.answer("world", 2)
    exercise.answer("dot", 2)
