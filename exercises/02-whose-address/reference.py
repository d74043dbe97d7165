"""Where the Pods' addresses are the node network's own, nobody has to hide them."""


def solve(exercise):
    own = exercise.variant["network"] == "vpc"
    exercise.answer("database", "the Pod's" if own else "its node's")
    exercise.answer("between", "the Pod's")
    exercise.answer("way-in", "connected" if own else "unreachable")


def solve_by_looking(exercise):
    names = exercise.variant
    exercise.cluster.send(f"default/{names['client']}", f"outside:{names['database']}", 5432)
    solve(exercise)
