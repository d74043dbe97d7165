# expect: veth
"""The first cable on the node is the one that one asks for."""


def solve(exercise):
    links = exercise.cluster.node("node-1").run("bridge link").stdout.splitlines()
    one = exercise.cluster.pod(exercise.variant["one"]).run("ip -o link show eth0").stdout.split("@if")[1].split(":")[0]
    first = next(line.split(": ")[1].split("@")[0] for line in links if line.startswith(f"{one}: "))
    exercise.answer("veth", first)
    exercise.answer("ports", 2)
    exercise.answer("behind", first)
    exercise.answer("far", "no")
