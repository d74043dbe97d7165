# expect: foretold
"""To send, and then to write down what came back."""


def solve(exercise):
    names = exercise.variant
    exercise.cluster.send(f"default/{names['client']}", f"default/{names['server']}", 9999)
    exercise.answer("empty", "refused")
    exercise.answer("dropped", "timeout")
    exercise.answer("lost", "unreachable")
    exercise.answer("closed", "refused")
