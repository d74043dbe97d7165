"""One row for the whole slice, and nothing more special inside it."""


def solve(exercise):
    place = {field: exercise.variant[f"place.{field}"] for field in ("near", "slice", "via")}
    node = exercise.cluster.node(place["near"])
    if "blackhole" in node.run("ip route").stdout:
        node.run(f"ip route del blackhole {place['slice']}.0/25")
    node.run(f"ip route replace {place['slice']}.0/24 via {place['via']}")
    exercise.answer("node", place["near"])


def solve_with_two_halves(exercise):
    """Two rows that together are the slice are longer than any row that is wrong."""
    place = {field: exercise.variant[f"place.{field}"] for field in ("near", "slice", "via")}
    node = exercise.cluster.node(place["near"])
    for half in ("0/26", "64/26", "128/25"):
        node.run(f"ip route add {place['slice']}.{half} via {place['via']}")
    exercise.answer("node", place["near"])
