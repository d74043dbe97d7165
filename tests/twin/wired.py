"""Clusters wired by hand, row by row, without any component: pods on bridges, routes between nodes, kube-proxy's rules.

They test the packet walk alone, and in shapes that no component of ours would make.
"""

from __future__ import annotations

from random import Random
from typing import Any

from k8slearn import ground
from k8slearn.components import Settings
from k8slearn.components.kube_proxy import KubeProxy
from k8slearn.components.kube_proxy.config import CONFIG_MAP, config_map
from k8slearn.journal import Commands, Put, World, digest
from k8slearn.linux import addr, link, netns, route
from k8slearn.linux.iptables import parse_rule
from k8slearn.linux.rows import Route, Socket
from k8slearn.linux.rules import Chain

POD_CIDR = "10.244.0.0/16"


def play(world: World, commands: Commands) -> None:
    for command in commands:
        world.apply(command)


def wired(random: Random, nodes: int, pods: int, wiring: str) -> World:
    """`nodes` machines with `pods` pods each, wired as `bridge` or as `kubenet`; Services over some of them."""
    names = tuple((f"node-{i + 1}", f"192.168.64.{11 + i}") for i in range(nodes))
    seed = random.randrange(1 << 30)
    settings = Settings(names, wiring, "192.168.64.0/24", POD_CIDR, "10.96.0.0/12", "iptables", "1.30", seed)
    world = World()
    world.apply(Put(ground.SETTINGS, settings))
    play(world, ground.build(world, settings))
    world.apply(Put(CONFIG_MAP, config_map(POD_CIDR)))
    hairpin = random.random() < 0.7
    for i, (name, address) in enumerate(names):
        play(world, _node(world, name, address, f"10.244.{i}", wiring, names, hairpin))
        for n in range(pods):
            play(world, _pod(world, name, f"default/pod-{i + 1}-{n + 1}", f"10.244.{i}", n + 2, wiring, hairpin))
    _services(world, random)
    for name, _ in names:
        play(world, KubeProxy().reconcile(world, name))
    return world


def _node(world: World, name: str, address: str, net: str, wiring: str, nodes: Any, hairpin: bool) -> Commands:
    scope, bridge = f"node:{name}", "cbr0" if wiring == "kubenet" else "cni0"
    status = {"addresses": [{"type": "InternalIP", "address": address}]}
    yield Put(("api", "nodes", name), {"metadata": {"name": name}, "status": status})
    yield from link.add_bridge(world, scope, bridge)
    yield from link.set_up(world, scope, bridge)
    yield from addr.add(world, scope, bridge, f"{net}.1/24")
    if wiring == "kubenet":
        yield from route.add(world, ground.ROUTER, Route(f"{net}.0/24", via=address, dev="eth0", proto="static"))
    for i, (other, via) in enumerate(nodes):
        if wiring == "bridge" and other != name:
            yield from route.add(world, scope, Route(f"10.244.{i}.0/24", via=via, dev="eth0"))
    outbound = f"-s {POD_CIDR} ! -d {POD_CIDR} -j MASQUERADE"
    if wiring == "kubenet":
        outbound = "-m addrtype ! --dst-type LOCAL ! -d 10.0.0.0/8 -j MASQUERADE"
    yield Put((scope, "chain", ("ip", "nat", "POSTROUTING")), Chain((parse_rule(outbound),), "ACCEPT"))


def _pod(world: World, node: str, name: str, net: str, host: int, wiring: str, hairpin: bool) -> Commands:
    machine, inside, bridge = f"node:{node}", f"cni-{digest(name)}", "cbr0" if wiring == "kubenet" else "cni0"
    scope, port = f"{machine}/{inside}", f"veth{digest(name, 'host')}"
    yield from netns.add(world, machine, inside, name)
    yield from link.set_up(world, scope, "lo")
    yield from link.add_veth(world, scope, "eth0", machine, port)
    yield from link.set_up(world, scope, "eth0")
    yield from link.set_up(world, machine, port)
    yield from link.set_master(world, machine, port, bridge)
    if hairpin:
        yield from link.set_hairpin(world, machine, port, True)
    yield from addr.add(world, scope, "eth0", f"{net}.{host}/24")
    yield from route.add(world, scope, Route("0.0.0.0/0", via=f"{net}.1", dev="eth0"))
    for proto, number in (("tcp", 80), ("udp", 53)):
        row = Socket(proto, "0.0.0.0", number, "agnhost", name, name)
        yield Put((scope, "socket", (proto, "0.0.0.0", number)), row)
    metadata = {"name": name.partition("/")[2], "namespace": "default"}
    address = f"{net}.{host}"
    yield Put(("api", "pods", name), {"metadata": metadata, "spec": {"nodeName": node}, "status": {"podIP": address}})


def _services(world: World, random: Random) -> None:
    pods: list[tuple[str, Any]] = sorted(world.table("api", "pods").items())
    for number, (proto, port, target) in enumerate((("TCP", 80, 80), ("UDP", 53, 53), ("TCP", 8080, 81))):
        name, behind = f"svc-{number}", random.sample(pods, random.randint(0, min(3, len(pods))))
        ports = [{"port": port, "protocol": proto, "targetPort": target}]
        spec = {"clusterIP": f"10.96.0.{10 + number}", "ports": ports}
        service = {"metadata": {"name": name, "namespace": "default"}, "spec": spec}
        endpoints = [{"addresses": [pod["status"]["podIP"]], "nodeName": pod["spec"]["nodeName"]} for _, pod in behind]
        world.apply(Put(("api", "services", f"default/{name}"), service))
        piece = {
            "metadata": {"name": f"{name}-1", "namespace": "default", "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "ports": [{"name": "", "port": target, "protocol": proto}],
            "endpoints": endpoints,
        }
        world.apply(Put(("api", "endpointslices", f"default/{name}-1"), piece))
