"""One row for each slice."""


def solve(exercise):
    for node in exercise.cluster.get("nodes"):
        via = node["status"]["addresses"][0]["address"]
        exercise.cluster.router().run(f"ip route add {node['spec']['podCIDR']} via {via}")


def solve_with_two_halves(exercise):
    """Two rows that together are the slice do as well."""
    for node in exercise.cluster.get("nodes"):
        via, slice_of_node = node["status"]["addresses"][0]["address"], node["spec"]["podCIDR"].removesuffix(".0/24")
        for half in ("0/25", "128/25"):
            exercise.cluster.router().run(f"ip route add {slice_of_node}.{half} via {via}")
