# expect: node
"""The fault is where the answer should come from."""


def solve(exercise):
    place = {field: exercise.variant[f"place.{field}"] for field in ("near", "slice", "via", "far")}
    node = exercise.cluster.node(place["near"])
    if "blackhole" in node.run("ip route").stdout:
        node.run(f"ip route del blackhole {place['slice']}.0/25")
    node.run(f"ip route replace {place['slice']}.0/24 via {place['via']}")
    exercise.answer("node", place["far"])
