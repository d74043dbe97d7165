# expect: empty
"""Where nobody is behind a Service, nobody answers."""


def solve(exercise):
    exercise.answer("empty", "timeout")
    exercise.answer("dropped", "timeout")
    exercise.answer("lost", "unreachable")
    exercise.answer("closed", "refused")
