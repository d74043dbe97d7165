"""The host's end of the Pod's cable: what goes to the Pod leaves the node there."""


def host_end(exercise):
    """The interface of the node whose number the Pod's own interface names: ``eth0@if5``."""
    names = exercise.variant
    shown = exercise.cluster.pod(names["slow"]).run("ip link show eth0").stdout
    number = shown.partition("@if")[2].partition(":")[0]
    links = exercise.cluster.node(names["place.here"]).run("ip -o link").stdout.splitlines()
    return next(line.split()[1].partition("@")[0] for line in links if line.startswith(f"{number}: "))


def solve(exercise):
    names = exercise.variant
    queue = f"root tbf rate {names['rate']}mbit burst 32kb latency 400ms"
    exercise.cluster.node(names["place.here"]).run(f"tc qdisc add dev {host_end(exercise)} {queue}")
    exercise.answer("seconds", 2 // names["rate"])


def solve_in_kilobits(exercise):
    names = exercise.variant
    queue = f"root tbf rate {1000 * names['rate']}kbit burst 32kb latency 400ms"
    exercise.cluster.node(names["place.here"]).run(f"tc qdisc add dev {host_end(exercise)} {queue}")
    exercise.answer("seconds", 2 // names["rate"])
