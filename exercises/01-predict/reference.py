"""One wrong row: the sender of the lost packet is told, the other side waits."""


def solve(exercise):
    slice_of_bystander = exercise.variant["place.whole_slice"]
    exercise.answer("address", f"10.244.{slice_of_bystander}.2")
    exercise.answer("closed", "refused")
    exercise.answer("there", "unreachable")
    exercise.answer("back", "timeout")


def solve_and_look(exercise):
    """To send afterwards is the point of it."""
    solve(exercise)
    exercise.cluster.send(f"default/{exercise.variant['client']}", f"default/{exercise.variant['server']}", 80)
