# expect: every-pod
"""A packet that has found its way finds it back."""


def solve(exercise):
    # the slices are routed, but one node's answers are thrown away on the router
    nodes = exercise.cluster.get("nodes")
    for node in nodes:
        via = node["status"]["addresses"][0]["address"]
        exercise.cluster.router().run(f"ip route add {node['spec']['podCIDR']} via {via}")
    first = nodes[0]["spec"]["podCIDR"].removesuffix("0/24")
    exercise.cluster.router().run(f"ip route add blackhole {first}0/26")
