"""The address map: the three networks of a cluster, and who has which address in them.

The node network has an address for each machine, the pod network one for each pod (out of its node's range), the
cluster network one for each Service of type ClusterIP, which no machine has: it lives in rules.

Left out: addresses of links that belong to no pod and are no machine's own (bridges, tunnels: the topology has them).
"""

from __future__ import annotations

from collections.abc import Iterator

from k8slearn.journal import World
from k8slearn.widgets.scene import Machine, Scene, scene
from k8slearn.widgets.story import Line, Part, Story


def mapped(world: World) -> Story:
    """Every address of the cluster, network by network."""
    facts = scene(world)
    nodes = facts.of_kind("node")
    parts = (
        Part(f"Node network  {facts.networks['node']}", tuple(_machines(facts, False))),
        Part(f"Pod network  {facts.networks['pod']}", tuple(line for node in nodes for line in _pods(node))),
        Part(f"Cluster network  {facts.networks['cluster']}", tuple(_services(facts))),
        Part("Outside of all three", tuple(_machines(facts, True))),
    )
    hidden = sum(node.hidden for node in nodes)
    left = f"Not shown: {facts.hidden_nodes} nodes, {hidden} pods." if hidden or facts.hidden_nodes else ""
    return Story("The three networks, and who has which address", tuple(part for part in parts if part.lines), left)


def _machines(facts: Scene, outside: bool) -> Iterator[Line]:
    for machine in facts.machines:
        root = machine.root
        if root.address and (root.kind == "outside") == outside:
            shares = ", ".join(machine.host_network)
            own = (("pods with this address (hostNetwork)", shares),) if shares else ()
            yield Line(f"{root.address:<18} {root.name}", root.kind, own)


def _pods(node: Machine) -> Iterator[Line]:
    yield Line(f"{node.pod_cidr or 'no range':<18} {node.root.name}", "range of a node")
    for space in node.spaces:
        links = tuple((port.name, f"{' '.join(port.addresses)} {port.mac}") for port in space.ports)
        yield Line(f"{space.address or 'no address':<18} {space.name}", space.kind, links)


def _services(facts: Scene) -> Iterator[Line]:
    for service in facts.services:
        ends = tuple(("endpoint", str(endpoint)) for endpoint in service.endpoints)
        said = " ".join(service.addresses) or "none (headless)"
        yield Line(f"{said:<18} {service.name}", "Service", ends or (("endpoint", "none is ready"),))
