# expect: own-address
"""Between subnets a Pod needs its node's address."""


def solve(exercise):
    for node in exercise.cluster.get("nodes"):
        via = node["status"]["addresses"][0]["address"]
        exercise.cluster.router().run(f"ip route add {node['spec']['podCIDR']} via {via}")
        hide = "iptables -t nat -I POSTROUTING -s 10.244.0.0/16 -o eth0 -j MASQUERADE"
        exercise.cluster.node(node["metadata"]["name"]).run(hide)
