# expect: address
"""Who forwards a packet becomes its source."""


def solve(exercise):
    exercise.answer("address", f"10.244.{exercise.variant['place.far_slice']}.1")
    exercise.answer("closed", "refused")
    exercise.answer("there", "unreachable")
    exercise.answer("back", "timeout")
