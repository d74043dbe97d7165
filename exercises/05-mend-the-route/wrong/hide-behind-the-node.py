# expect: own-address
"""Between nodes a Pod needs the node's address."""


def solve(exercise):
    place = {field: exercise.variant[f"place.{field}"] for field in ("near", "slice", "via")}
    node = exercise.cluster.node(place["near"])
    if "blackhole" in node.run("ip route").stdout:
        node.run(f"ip route del blackhole {place['slice']}.0/25")
    node.run(f"ip route replace {place['slice']}.0/24 via {place['via']}")
    node.run(f"iptables -t nat -A POSTROUTING -d {place['slice']}.0/24 -o eth0 -j MASQUERADE")
    exercise.answer("node", place["near"])
