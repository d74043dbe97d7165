"""A pod's hostPort is a frontend like a NodePort, on its own node alone, and its one backend is the pod.

There is no portmap plugin and no rule: the program at the node's device translates (``kube-proxy-replacement``). The
rows are in the same maps as those of Services, under the pod's name: ``default/web:host-port:8080``.

Source: pkg/loadbalancer/reflectors (pods).

Left out: what a hostPort costs when two pods of a node want the same one (the scheduler keeps them apart).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from k8slearn.cni.cilium import agent, lb, maps
from k8slearn.cni.cilium.maps import Frontend
from k8slearn.components.cilium import frontends
from k8slearn.components.cilium.frontends import Place, Wanted
from k8slearn.journal import Commands, World

MARK = ":host-port:"
Obj = Mapping[str, Any]


def every(world: World, node: str) -> Commands:
    """The ports of all pods of this node."""
    here = {known.pod for known in agent.endpoints(world, node) if known.pod}
    for pod in sorted(here | {owner.partition(MARK)[0] for owner in _owners(world, node)}):
        yield from ensure(world, node, pod)


def ensure(world: World, node: str, pod: str) -> Commands:
    """The ports of one pod."""
    here = maps.config(world, node)
    known = next((row for row in agent.endpoints(world, node) if row.pod == pod), None)
    obj = world.get(("api", "pods", pod))
    wanted: dict[str, dict[Frontend, Wanted]] = {}
    if here is not None and known is not None and obj is not None:
        for port, front, row in _ports(obj, known.address, here):
            wanted.setdefault(f"{pod}{MARK}{port}", {})[front] = row
    for owner in sorted({*wanted, *(name for name in _owners(world, node) if name.partition(MARK)[0] == pod)}):
        yield from frontends.write(world, node, owner, wanted.get(owner, {}), ("api", "pods", pod))


def _ports(pod: Obj, address: str, here: maps.Config) -> Iterator[tuple[int, Frontend, Wanted]]:
    for container in pod["spec"].get("containers") or ():
        for port in container.get("ports") or ():
            number = int(port.get("hostPort") or 0)
            if not number:
                continue
            proto, at = str(port.get("protocol") or "TCP").lower(), port.get("hostIP") or lb.ANYWHERE
            place = [Place(address, int(port["containerPort"]), "", "active", "")]
            if at == lb.ANYWHERE:
                yield number, Frontend(at, number, proto), ("HostPort", ("non-routable",), place)
            own = here.node_ip if at == lb.ANYWHERE else str(at)
            yield number, Frontend(own, number, proto), ("HostPort", (), place)


def _owners(world: World, node: str) -> list[str]:
    return [name for name in frontends.owners(world, node) if MARK in name]
