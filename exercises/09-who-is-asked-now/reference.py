"""Those that are ready; else those that serve and leave; else nobody, and a refusal."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("now", names["moody.steady"])
    exercise.answer("itself", "connected")
    exercise.answer("without", names["moody.leaving"])
    exercise.answer("nobody", "refused")
    exercise.answer("published", 3)


def solve_and_try(exercise):
    """To look afterwards is the point of it."""
    solve(exercise)
    exercise.cluster.kubectl(f"label pod {exercise.variant['moody.steady']} app-")
    exercise.cluster.advance(seconds=exercise.variant["grace"] + 5)
