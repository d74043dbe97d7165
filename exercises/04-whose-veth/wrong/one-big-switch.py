# expect: far
"""All Pods are on one switch, wherever they run."""


def solve(exercise):
    names = exercise.variant
    links = exercise.cluster.node("node-1").run("bridge link").stdout.splitlines()
    number = {}
    for pod in (names["one"], names["two"]):
        behind = exercise.cluster.pod(pod).run("ip -o link show eth0").stdout.split("@if")[1].split(":")[0]
        number[pod] = next(line.split(": ")[1].split("@")[0] for line in links if line.startswith(f"{behind}: "))
    exercise.answer("veth", number[names["two"]])
    exercise.answer("ports", 2)
    exercise.answer("behind", number[names["one"]])
    exercise.answer("far", "yes")
