# expect: closed
"""Where nobody listens, nobody answers."""


def solve(exercise):
    exercise.answer("address", f"10.244.{exercise.variant['place.whole_slice']}.2")
    exercise.answer("closed", "timeout")
    exercise.answer("there", "unreachable")
    exercise.answer("back", "timeout")
