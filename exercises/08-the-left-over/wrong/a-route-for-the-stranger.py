# expect: tomorrow
"""What is not reached needs a route."""


def solve(exercise):
    names = exercise.variant
    address = exercise.cluster.get("node", names["place.node"])["status"]["addresses"][0]["address"]
    other = exercise.cluster.node(names["place.other"])
    other.run(f"ip route add 10.{names['octet']}.0.0/24 via {address}")
