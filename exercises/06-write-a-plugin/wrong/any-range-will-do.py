# expect: addresses
"""The range is the plugin's own business."""

import json


def plugged(node, config, environ, octet, host_part):
    """A cable into the container, a name of its own on the node, and a row for each direction."""
    netns, ifname = environ["CNI_NETNS"].rpartition("/")[2], environ["CNI_IFNAME"]
    host, address = "c" + environ["CNI_CONTAINERID"][:8], f"10.{octet}.0.{host_part}"
    node.run(f"ip link add {host} type veth peer name {ifname} netns {netns}")
    node.run(f"ip -n {netns} addr add {address}/32 dev {ifname}")
    node.run(f"ip -n {netns} link set {ifname} up")
    node.run(f"ip link set {host} up")
    node.run(f"ip addr add 169.254.1.1/32 dev {host}")
    node.run(f"ip -n {netns} route add 169.254.1.1 dev {ifname}")
    node.run(f"ip -n {netns} route add default via 169.254.1.1 dev {ifname}")
    node.run(f"ip route add {address}/32 dev {host}")
    node.run(f"iptables -t nat -A POSTROUTING -s {address}/32 ! -d 10.{octet}.0.0/24 -j MASQUERADE")
    return {"cniVersion": config["cniVersion"], "ips": [{"address": f"{address}/32"}]}


def free(node, octet):
    """The first address that no row of the node names: the routing table is the book."""
    rows = node.run("ip route").stdout
    return next(n for n in range(2, 255) if f"10.{octet}.0.{n} " not in rows)


def unplugged(node, environ):
    """The rule goes with the address that the container's row names; the row goes with the cable."""
    host = "c" + environ["CNI_CONTAINERID"][:8]
    for row in node.run(f"ip route show dev {host}").stdout.splitlines():
        for rule in node.run("iptables-save -t nat").stdout.splitlines():
            if rule.startswith(f"-A POSTROUTING -s {row.split()[0]}/32 "):
                node.run("iptables -t nat " + rule.replace("-A", "-D", 1))
    node.run(f"ip link del {host}")


def install(exercise, plugin):
    names, cluster = exercise.variant, exercise.cluster
    cluster.install_plugin(names["plugin"], plugin)
    conflist = {"cniVersion": "1.0.0", "name": "mine", "plugins": [{"type": names["plugin"]}]}
    cluster.node("node-1").run("tee /etc/cni/net.d/10-mine.conflist", stdin=json.dumps(conflist))
    cluster.advance(seconds=30)


def take_away(exercise):
    exercise.cluster.kubectl(f"delete pod {exercise.variant['goes']} --now")
    exercise.cluster.advance(seconds=30)


def solve(exercise):
    def plugin(command, config, environ, node):
        if command == "ADD":
            return plugged(node, config, environ, 244, free(node, 244))
        if command == "DEL":
            unplugged(node, environ)

    install(exercise, plugin)
    take_away(exercise)
