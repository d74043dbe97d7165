# expect: checked
"""The interface is there, so all is well."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("again", 1)
    exercise.answer("checked", 0)
    exercise.answer("twice", 0)
    exercise.answer("next", f"10.{names['octet']}.0.4")
    exercise.answer("kept", 2)
