# expect: far
"""Whoever reaches the neighbours reaches everybody."""


def solve(exercise):
    names = exercise.variant
    address = exercise.cluster.get("pod", names["deaf"])["status"]["podIP"]
    pod = exercise.cluster.pod(names["deaf"])
    pod.run("ip link set eth0 up")
    if address not in pod.run("ip addr show eth0").stdout:
        pod.run(f"ip addr add {address}/24 dev eth0")
    pod.run("ip route replace 10.244.0.0/24 dev eth0")
    if "default" in pod.run("ip route").stdout and "PERMANENT" not in pod.run("ip neigh").stdout:
        pod.run("ip route del default")
