# expect: back
"""Whoever gives a packet up tells the one who began the conversation."""


def solve(exercise):
    exercise.answer("address", f"10.244.{exercise.variant['place.whole_slice']}.2")
    exercise.answer("closed", "refused")
    exercise.answer("there", "unreachable")
    exercise.answer("back", "unreachable")
