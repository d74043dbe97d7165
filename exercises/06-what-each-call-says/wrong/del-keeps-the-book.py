# expect: kept
"""What was given out once stays in the book."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("again", 1)
    exercise.answer("checked", 1)
    exercise.answer("twice", 0)
    exercise.answer("next", f"10.{names['octet']}.0.4")
    exercise.answer("kept", 3)
