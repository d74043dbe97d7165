"""What calico-node does before its programs start (node/pkg/lifecycle/startup): the node becomes a node of Calico's.

It writes the node's name and the pods' MTU into files for the CNI plugin, finds out the node's address, takes an
address for the tunnel out of the node's own block (``tunl0``), and notes both at the Node as annotations. If there is
no pool yet it makes one. Then the Node's condition says that its network is available; ``preStop`` says that it is not.

Left out: IPv6, ClusterInformation and FelixConfiguration objects, detection methods other than the node's InternalIP.
"""

from __future__ import annotations

from typing import Any

from k8slearn.api import conditions
from k8slearn.api.admit import stamped
from k8slearn.api.events import event
from k8slearn.cni import blocks, cri
from k8slearn.components import Settings
from k8slearn.journal import Commands, Put, Table, World
from k8slearn.linux.rows import Address, Link

NODENAME, MTU = "/var/lib/calico/nodename", "/var/lib/calico/mtu"
ADDRESS, TUNNEL = "projectcalico.org/IPv4Address", "projectcalico.org/IPv4IPIPTunnelAddr"
CONDITION = "NetworkUnavailable"
UP = ("False", "CalicoIsUp", "Calico is running on this node")
DOWN = ("True", "CalicoIsDown", "Calico is shutting down on this node")
HEADER = 20
Obj = dict[str, Any]


def started(world: World, node: str) -> Commands:
    """Everything that stands before Felix and BIRD begin."""
    name = node.removeprefix("node:")
    obj: Obj | None = world.get(("api", "nodes", name))
    own = underlay(world, node)
    if obj is None or own is None:
        return
    yield from _default_pool(world, node)
    yield from _files(world, node, {NODENAME: name, MTU: str(pod_mtu(world, node))})
    notes = {ADDRESS: f"{own.address}/{own.prefix}"}
    if tunnelled(world):
        notes[TUNNEL] = yield from _tunnel_address(world, name)
    yield from _noted(world, name, notes)
    yield from _condition(world, name, UP)


def stopped(world: World, node: str) -> Commands:
    """preStop: the node's network counts as unavailable, so nothing new is scheduled here."""
    name = node.removeprefix("node:")
    obj: Obj | None = world.get(("api", "nodes", name))
    if obj is not None and (conditions.find(obj, CONDITION) or {}).get("reason") == UP[1]:
        yield from _condition(world, name, DOWN)


def mesh(world: World) -> dict[str, str]:
    """Address -> name of every node of Calico's."""
    return world.table("api", "nodes").index(_mesh)


def _mesh(nodes: Table) -> dict[str, str]:
    noted = {str(name): (obj["metadata"].get("annotations") or {}).get(ADDRESS) for name, obj in nodes.items()}
    return {cidr.partition("/")[0]: name for name, cidr in sorted(noted.items()) if cidr}


def annotation(world: World, node: str, name: str) -> str:
    """What the agent has noted at its Node."""
    obj: Obj = world.get(("api", "nodes", node.removeprefix("node:"))) or {"metadata": {}}
    return str((obj["metadata"].get("annotations") or {}).get(name, ""))


def underlay(world: World, node: str) -> Address | None:
    """The node's own address on the network between the nodes."""
    obj: Obj = world.get(("api", "nodes", node.removeprefix("node:"))) or {}
    said = (obj.get("status") or {}).get("addresses") or ()
    internal = next((a["address"] for a in said if a["type"] == "InternalIP"), "")
    rows: list[Address] = list(world.table(node, "addr").values())
    return next((row for row in rows if row.address == internal), None)


def modes(world: World) -> list[tuple[str, str]]:
    """(CIDR, ipipMode) of every pool."""
    specs = (pool["spec"] for pool in world.table("api", blocks.POOLS).values())
    return [(spec["cidr"], str(spec.get("ipipMode") or "Never")) for spec in specs]


def tunnelled(world: World) -> bool:
    """Does any pool use IP-in-IP?"""
    return any(mode != "Never" for _, mode in modes(world))


def pod_mtu(world: World, node: str) -> int:
    """``veth_mtu`` of ``calico-config``, or the node's MTU, less the header of the tunnel where there is one."""
    said = cri.environment(world, node, "calico-node").get("FELIX_IPINIPMTU", "")
    if said.isdecimal() and int(said):
        return int(said)
    own = underlay(world, node)
    link: Link | None = world.get((node, "link", own.dev)) if own is not None else None
    return (link.mtu if link is not None else 1500) - (HEADER if tunnelled(world) else 0)


def _default_pool(world: World, node: str) -> Commands:
    """``default-ipv4-ippool``, as the environment has it; a pool that is there is left alone."""
    if world.table("api", blocks.POOLS):
        yield from _no_vxlan(world, node)
        return
    settings: Settings = world.get(("cluster", "settings", ""))
    env = cri.environment(world, node, "calico-node")
    spec = {
        "allowedUses": ["Workload", "Tunnel"],
        "assignmentMode": "Automatic",
        "blockSize": int(env.get("CALICO_IPV4POOL_BLOCK_SIZE") or 26),
        "cidr": env.get("CALICO_IPV4POOL_CIDR") or settings.pod_cidr,
        "ipipMode": env.get("CALICO_IPV4POOL_IPIP") or "Never",
        "natOutgoing": env.get("CALICO_IPV4POOL_NAT_OUTGOING", "true") == "true",
        "nodeSelector": "all()",
        "vxlanMode": env.get("CALICO_IPV4POOL_VXLAN") or "Never",
    }
    yield from blocks.create(world, blocks.POOLS, "IPPool", "default-ipv4-ippool", spec)
    yield from _no_vxlan(world, node)


def _no_vxlan(world: World, node: str) -> Commands:
    """What is not modelled is said, once."""
    for pool in world.table("api", blocks.POOLS).values():
        if (pool["spec"].get("vxlanMode") or "Never") != "Never":
            name = pool["metadata"]["name"]
            words = f"IPPool {name}: vxlanMode {pool['spec']['vxlanMode']} is not modelled here: use ipipMode"
            said = event(
                world, world.get(("api", "nodes", node.removeprefix("node:"))), "NotModelled", words, "calico-node"
            )
            if world.get(said.key) is None:
                yield said


def _files(world: World, node: str, texts: dict[str, str]) -> Commands:
    for path, text in texts.items():
        if world.get((node, "file", path)) != text:
            yield Put((node, "file", path), text)


def _tunnel_address(world: World, name: str) -> blocks.Address:
    """The address of tunl0: held like a pod's, from the node's first block."""
    handle = f"ipip-tunnel-addr-{name}"
    held = blocks.held(world, handle)
    if held:
        return held[0]
    return (yield from blocks.assign(world, name, handle, {"node": name, "type": "ipipTunnelAddress"}, "Tunnel"))


def _noted(world: World, name: str, notes: dict[str, str]) -> Commands:
    obj: Obj = world.get(("api", "nodes", name))
    before = obj["metadata"].get("annotations") or {}
    if {**before, **notes} != before:
        metadata = {**obj["metadata"], "annotations": {**before, **notes}}
        yield Put(("api", "nodes", name), stamped(world, {**obj, "metadata": metadata}))


def _condition(world: World, name: str, said: tuple[str, str, str]) -> Commands:
    obj: Obj = world.get(("api", "nodes", name))
    status = conditions.put(world, obj.get("status") or {}, CONDITION, *said)
    if status != obj.get("status"):
        yield Put(("api", "nodes", name), stamped(world, {**obj, "status": status}))
