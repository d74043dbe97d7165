# expect: back
"""If the question arrives, all is well."""


def solve(exercise):
    exercise.answer("address", f"10.244.{exercise.variant['place.whole_slice']}.2")
    exercise.answer("closed", "refused")
    exercise.answer("there", "unreachable")
    exercise.answer("back", "connected")
