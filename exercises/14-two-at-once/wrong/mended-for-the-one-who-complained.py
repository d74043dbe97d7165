# expect: pods
"""If the client that complained gets through, it is mended."""


def solve(exercise):
    names = exercise.variant
    labels = f'{{"spec": {{"selector": {{"app": "{names["service"]}"}}}}}}'
    exercise.cluster.kubectl(f"patch service {names['service']} -p '{labels}'")
    server = exercise.cluster.get("pod", f"{names['service']}-1")["status"]["podIP"]
    client = exercise.cluster.get("pod", names["client"])["status"]["podIP"]
    far, near = exercise.cluster.node(names["place.far"]), exercise.cluster.node(names["place.near"])
    far.run(f"iptables -I FORWARD -p tcp -s {client} -d {server} -j ACCEPT")
    near.run(f"ip route replace {server}/32 via {names['place.to']}")
    far.run(f"ip route replace {client}/32 via {names['place.via']}")
    near.run(f"iptables -I FORWARD -p tcp -s {server} --dport {names['port']} -j REJECT")
