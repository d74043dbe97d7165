"""Process 1 is pause where the namespace is shared, and else the application."""


def solve(exercise):
    names = exercise.variant
    exercise.answer(names["who.shared"], "the pause container's process")
    exercise.answer(names["who.server"], "the application's process")
    exercise.answer(names["who.sleeper"], "nothing")
    exercise.answer("address", names["who.shared"])


def solve_after_looking(exercise):
    exercise.cluster.kubectl(f"exec {exercise.variant['who.shared']} -- ps")
    solve(exercise)
