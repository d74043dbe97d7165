"""The runtime calls the list, bridge calls its IPAM."""


def solve(exercise):
    exercise.answer("program", exercise.variant["gone.plugin"])
    exercise.answer("caller", exercise.variant["gone.caller"])
    exercise.answer("old", "connected")


def solve_after_looking(exercise):
    exercise.cluster.kubectl(f"describe pod {exercise.variant['late']}")
    exercise.cluster.node("node-1").run("ls /opt/cni/bin")
    solve(exercise)
