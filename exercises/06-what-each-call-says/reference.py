"""What is there cannot be made, what is gone may be deleted, and an address is not given out again at once."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("again", 1)
    exercise.answer("checked", 1)
    exercise.answer("twice", 0)
    exercise.answer("next", f"10.{names['octet']}.0.4")
    exercise.answer("kept", 2)


def solve_and_call(exercise):
    """To look afterwards is the point of it."""
    solve(exercise)
    exercise.cluster.node("node-1").run("ip -n one addr")
    exercise.cluster.node("node-1").run("ip netns add three")
