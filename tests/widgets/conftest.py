"""Worlds that are wired by hand, for tests of the pictures: the ground, nodes with a bridge each, pods on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from k8slearn import ground
from k8slearn.components import Settings
from k8slearn.journal import Commands, Put, World, digest
from k8slearn.linux import addr, link, netns
from k8slearn.linux.rows import Socket


def wired(nodes: int = 2, pods: int = 2, bridge: bool = True) -> World:
    """A cluster of so many nodes with so many pods each."""
    names = tuple((f"node-{i + 1}", f"192.168.64.{11 + i}") for i in range(nodes))
    settings = Settings(names, "bridge", "192.168.64.0/24", "10.244.0.0/16", "10.96.0.0/12", "iptables", "1.37", 0)
    world = World()
    play(world, [Put(("cluster", "settings", ""), settings)])
    play(world, ground.build(world, settings))
    for i, (name, _) in enumerate(names):
        labels = {"node-role.kubernetes.io/control-plane": ""} if i == 0 else {}
        play(
            world,
            [
                Put(
                    ("api", "nodes", name),
                    {"metadata": {"name": name, "labels": labels}, "spec": {"podCIDR": f"10.244.{i}.0/24"}},
                )
            ],
        )
        if bridge:
            play(world, link.add_bridge(world, f"node:{name}", "cni0"))
            play(world, link.set_up(world, f"node:{name}", "cni0"))
            play(world, addr.add(world, f"node:{name}", "cni0", f"10.244.{i}.1/24"))
        for n in range(pods):
            play(world, _pod(world, name, f"default/pod-{i + 1}-{n + 1}", f"10.244.{i}.{n + 2}", bridge))
    return world


def _pod(world: World, node: str, name: str, address: str, bridge: bool) -> Commands:
    machine, inside = f"node:{node}", f"cni-{digest(name)}"
    scope, host = f"{machine}/{inside}", f"veth{digest(name, 'host')}"
    yield from netns.add(world, machine, inside, name)
    yield from link.add_veth(world, scope, "eth0", machine, host)
    yield from link.set_up(world, scope, "eth0")
    yield from link.set_up(world, machine, host)
    if bridge:
        yield from link.set_master(world, machine, host, "cni0")
    yield from addr.add(world, scope, "eth0", f"{address}/24")
    yield Put((scope, "socket", ("tcp", "0.0.0.0", 80)), Socket("tcp", "0.0.0.0", 80, "nginx", name, name))
    namespace, _, short = name.partition("/")
    yield Put(
        ("api", "pods", name),
        {"metadata": {"name": short, "namespace": namespace}, "spec": {"nodeName": node}, "status": {"podIP": address}},
    )


def service(world: World, name: str, address: str, endpoints: Iterable[str]) -> None:
    """A ClusterIP Service with these ready endpoints."""
    spec: dict[str, Any] = {"clusterIP": address, "clusterIPs": [address], "type": "ClusterIP", "ports": [{"port": 80}]}
    namespace, _, short = name.partition("/")
    piece = {
        "metadata": {"name": f"{short}-1", "labels": {"kubernetes.io/service-name": short}},
        "ports": [{"port": 80}],
        "endpoints": [{"addresses": [a], "conditions": {"ready": True}} for a in endpoints],
    }
    play(
        world,
        [
            Put(("api", "services", name), {"spec": spec}),
            Put(("api", "endpointslices", f"{namespace}/{short}-1"), piece),
        ],
    )


def play(world: World, commands: Iterable[Any]) -> None:
    """Apply each command before the next is asked for."""
    for command in commands:
        world.apply(command)


@pytest.fixture
def wire() -> Callable[..., World]:
    """Make a world of so many nodes with so many pods each."""
    return wired


@pytest.fixture
def add_service() -> Callable[..., None]:
    return service


@pytest.fixture
def do() -> Callable[[World, Iterable[Any]], None]:
    return play


@pytest.fixture
def cluster() -> Any:
    """Two nodes, three pods and a Service, made by the real thing."""
    from k8slearn import Cluster

    made = Cluster(nodes=2)
    pods = {"client": "node-1", "near": "node-1", "far": "node-2"}
    made.apply([_manifest(name, node) for name, node in pods.items()])
    ports = [{"port": 80}]
    made.apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web"},
            "spec": {"selector": {"app": "web"}, "ports": ports},
        }
    )
    return made


def _manifest(name: str, node: str) -> dict[str, Any]:
    labels = {} if name == "client" else {"app": "web"}
    container = {"name": "c", "image": "nginx", "ports": [{"containerPort": 80}]}
    metadata = {"name": name, "labels": labels}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"nodeName": node, "containers": [container]},
    }
