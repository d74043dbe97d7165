# expect: others
"""Whoever is limited, the whole node is safe."""


def host_end(exercise, pod):
    """The interface of the node whose number the Pod's own interface names: ``eth0@if5``."""
    names = exercise.variant
    shown = exercise.cluster.pod(pod).run("ip link show eth0").stdout
    number = shown.partition("@if")[2].partition(":")[0]
    links = exercise.cluster.node(names["place.here"]).run("ip -o link").stdout.splitlines()
    return next(line.split()[1].partition("@")[0] for line in links if line.startswith(f"{number}: "))


def solve(exercise):
    names = exercise.variant
    node = exercise.cluster.node(names["place.here"])
    queue = f"root tbf rate {names['rate']}mbit burst 32kb latency 400ms"
    node.run(f"tc qdisc add dev {host_end(exercise, names['slow'])} {queue}")
    node.run(f"tc qdisc add dev {host_end(exercise, names['near'])} {queue}")
    exercise.answer("seconds", 2 // names["rate"])
