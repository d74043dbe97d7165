# expect: twice
"""What is not there cannot be deleted."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("again", 1)
    exercise.answer("checked", 1)
    exercise.answer("twice", 1)
    exercise.answer("next", f"10.{names['octet']}.0.4")
    exercise.answer("kept", 2)
