# expect: address
"""A node always puts its own address on what leaves it."""


def solve(exercise):
    exercise.answer("address", f"192.168.64.1{exercise.variant['place.whole_node']}")
    exercise.answer("closed", "refused")
    exercise.answer("there", "unreachable")
    exercise.answer("back", "timeout")
