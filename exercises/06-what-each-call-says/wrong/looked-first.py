# expect: foretold
"""To see what happens and then to write it down."""


def solve(exercise):
    names = exercise.variant
    exercise.cluster.node("node-1").run("ip netns add three")
    exercise.answer("again", 1)
    exercise.answer("checked", 1)
    exercise.answer("twice", 0)
    exercise.answer("next", f"10.{names['octet']}.0.4")
    exercise.answer("kept", 2)
