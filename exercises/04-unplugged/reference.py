"""What a Pod needs, said again: link, address, rows, and no lie about the gateway."""


def mend(exercise):
    names = exercise.variant
    address = exercise.cluster.get("pod", names["deaf"])["status"]["podIP"]
    pod = exercise.cluster.pod(names["deaf"])
    pod.run("ip link set eth0 up")
    if address not in pod.run("ip addr show eth0").stdout:
        pod.run(f"ip addr add {address}/24 dev eth0")
    pod.run("ip neigh del 10.244.0.1 dev eth0")
    pod.run("ip route replace 10.244.0.0/24 dev eth0")
    pod.run("ip route replace default via 10.244.0.1")
    return pod


def solve(exercise):
    mend(exercise)
