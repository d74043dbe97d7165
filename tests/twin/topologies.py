"""Grounds of every shape: several subnets, further routers, peers, servers, firewalls and odd default routes."""

from __future__ import annotations

from random import Random
from typing import Any

from k8slearn.journal import World

from .grown import filled, standing
from .twin import Probe, running

RULES = (
    "iptables -A FORWARD -s {net} -p tcp -m tcp --dport 80 -j DROP",
    "iptables -A FORWARD -d {net} -j REJECT --reject-with icmp-admin-prohibited",
    "iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP",
    "iptables -P FORWARD DROP",
    "iptables -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
    "iptables -A FORWARD -p udp -j REJECT",
    "sysctl -w net.ipv4.conf.all.rp_filter=1",
    "sysctl -w net.ipv4.conf.all.rp_filter=2",
    "ip route add {pods} via {node}",
    "ip route add unreachable {net}",
    "iptables -t nat -A POSTROUTING -d {net} -j MASQUERADE",
)
NODE_RULES = (
    "ip route replace default via {other}",
    "ip route add {net} via {other}",
    "sysctl -w net.ipv4.conf.all.rp_filter=1",
    "iptables -A INPUT -s {net} -j DROP",
)
WIRINGS = ("bridge", "kubenet", "kubenet", "flannel", "flannel", "flannel-host-gw")
NETS = ("192.168.64.0/26", "192.168.64.64/26", "192.168.64.128/26", "172.20.0.0/24", "10.244.0.0/16", "203.0.113.0/24")


def on_any_ground(random: Random) -> World:
    """A cluster of 2 to 4 nodes under any wiring between nodes, in a network of any shape."""
    nodes, network = random.randint(2, 4), random.choice(WIRINGS)
    return _on_ground(random, nodes, network)


def routed(random: Random) -> World:
    """The same for the wirings whose agents must know of subnets: Calico's routes by BGP, the VPC's own router."""
    return _on_ground(random, random.randint(2, 4), random.choice(("calico", "vpc")))


def _on_ground(random: Random, nodes: int, network: str) -> World:
    seed = random.randrange(1 << 30)
    return filled(standing(nodes, network, seed, drawn(random, nodes)), random).world.fork()


def drawn(random: Random, nodes: int) -> dict[str, Any]:
    """A topology as a person would write it."""
    nets = NETS[: random.randint(1, 3)]
    subnets = {"abc"[n]: {"cidr": net, "zone": f"zone-{n}"} for n, net in enumerate(nets)}
    base = [int(net.split("/")[0].rpartition(".")[2]) for net in nets]
    legs = [f"192.168.64.{first + 2}" for first in base[: random.randint(1, len(base))]]
    routers = {"r2": legs} if random.random() < 0.7 else {}
    peers = dict(list({"office": "172.20.0.0/24", "lab": "10.50.0.0/24"}.items())[: random.randint(0, 2)])
    machines: dict[str, Any] = {"db": {"address": f"192.168.64.{random.choice(base) + 50}", "ports": [80, "53/udp"]}}
    if peers:
        machines["mail"] = "172.20.0.25"
    routing = {"router": RULES, **dict.fromkeys([*routers, *peers], RULES)}
    asked = [(m, random.choice(lines)) for m, lines in routing.items() for _ in range(random.choice((0, 0, 1, 2)))]
    asked += [(f"node-{n + 1}", random.choice(NODE_RULES)) for n in range(nodes) if routers and random.random() < 0.4]
    commands: dict[str, list[str]] = {}
    for machine, line in asked:
        number = int(machine[5:]) - 1 if machine.startswith("node-") else 0
        mine = base[number % len(base)]
        other = next((leg for leg in legs if int(leg.rpartition(".")[2]) - 2 == mine), f"192.168.64.{mine + 1}")
        node = f"192.168.64.{base[0] + 11}"
        words = {"net": random.choice(NETS), "pods": "10.244.0.0/24", "node": node, "other": other}
        typed = line.format(**words)
        if _can_be_typed(machine, line, words, legs, mine) and typed not in commands.setdefault(machine, []):
            commands[machine].append(typed)
    if random.random() < 0.2:
        peers["clash"] = random.choice(("10.244.1.0/24", "10.244.0.0/25", "10.96.7.0/24"))
        machines["ledger"] = peers["clash"].rpartition(".")[0] + ".25"
    return {
        "allow_overlap": True,
        "subnets": subnets,
        "routers": routers,
        "peers": peers,
        "machines": machines,
        "commands": commands,
    }


def _can_be_typed(machine: str, line: str, words: dict[str, str], legs: list[str], mine: int) -> bool:
    """A gateway is a neighbour, and a route is not there yet."""
    if "via {node}" in line and machine != "router" and not (machine == "r2" and legs):
        return False
    if line.startswith("ip route add {net} via"):
        return words["net"] != f"192.168.64.{mine}/26"
    return not (line.startswith("ip route add unreachable") and (machine != "r2" or words["net"].startswith("192.168")))


def beyond(world: World, random: Random, count: int) -> list[Probe]:
    """Questions from and to the servers, the routers and one more machine of the node network."""
    hosts = [s for s in world.scopes("netns") if s.startswith("outside:")]
    places = [
        *hosts,
        *hosts,
        *running(world),
        *(f"node:{n}" for n in world.table("api", "nodes")),
    ]
    gateways = [row.address for row in world.table("router", "addr").values() if row.dev.startswith("eth")]
    targets = [
        *(h.partition(":")[2] for h in hosts),
        *gateways,
        *running(world).values(),
        "172.20.0.99",
        "192.168.64.250",
    ]
    kinds = ((80, "TCP"), (80, "TCP"), (53, "UDP"), (22, "TCP"))
    return [Probe(random.choice(places), random.choice(targets), *random.choice(kinds)) for _ in range(count)]
