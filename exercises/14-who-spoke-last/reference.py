"""Who is there and says no, who says that there is no way, and where nobody says anything."""


def solve(exercise):
    exercise.answer("empty", "refused")
    exercise.answer("dropped", "timeout")
    exercise.answer("lost", "unreachable")
    exercise.answer("closed", "refused")


def solve_and_look(exercise):
    """To send afterwards is the point of it."""
    solve(exercise)
    names = exercise.variant
    exercise.cluster.send(f"default/{names['client']}", f"default/{names['server']}", 9999)
