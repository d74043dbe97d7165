# expect: there
"""A packet that cannot be handed on vanishes."""


def solve(exercise):
    exercise.answer("address", f"10.244.{exercise.variant['place.whole_slice']}.2")
    exercise.answer("closed", "refused")
    exercise.answer("there", "timeout")
    exercise.answer("back", "timeout")
