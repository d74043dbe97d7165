"""The number behind the @if is the number of the other end."""


def veth(exercise, pod):
    number = exercise.cluster.pod(pod).run("ip -o link show eth0").stdout.split("@if")[1].split(":")[0]
    links = exercise.cluster.node("node-1").run("ip -o link").stdout.splitlines()
    return next(line.split(": ")[1].split("@")[0] for line in links if line.startswith(f"{number}: "))


def solve(exercise):
    names = exercise.variant
    exercise.answer("veth", veth(exercise, names["two"]))
    exercise.answer("ports", 2)
    exercise.answer("behind", veth(exercise, names["one"]))
    exercise.answer("far", "no")
