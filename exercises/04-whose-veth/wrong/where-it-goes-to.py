# expect: behind
"""A bridge learns where a frame goes to."""


def solve(exercise):
    names = exercise.variant
    links = exercise.cluster.node("node-1").run("bridge link").stdout.splitlines()
    behind = exercise.cluster.pod(names["two"]).run("ip -o link show eth0").stdout.split("@if")[1].split(":")[0]
    two = next(line.split(": ")[1].split("@")[0] for line in links if line.startswith(f"{behind}: "))
    exercise.answer("veth", two)
    exercise.answer("ports", 2)
    exercise.answer("behind", two)
    exercise.answer("far", "no")
