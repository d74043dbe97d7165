"""What an agent learns from the others: their nodes and their pods go into its own ipcache, routes and peers.

::

    CiliumNode node-2       192.168.64.12/32   identity=6 (remote-node)            its address
                            10.244.1.17/32     identity=6 tunnelendpoint=.64.12    its router address
                            10.244.1.0/24      identity=2 tunnelendpoint=.64.12    pods that nobody has published yet
                            a route to 10.244.1.0/24, by cilium_host or by 192.168.64.12
    CiliumEndpoint b        10.244.1.8/32      identity=34211 tunnelendpoint=.64.12
    itself                  its addresses      identity=1 (host);  0.0.0.0/0  identity=2 (world)

The node with the API server is ``kube-apiserver`` (7) to the others. With native routing and
``auto-direct-node-routes`` a route leads to the other node itself, if that is on the same link; else the network has to
know the way.

Sources: pkg/node/manager, pkg/datapath/linux/node.go, pkg/ipcache, pkg/k8s/watchers/cilium_endpoint.go.

Left out: other clusters, encapsulation for single nodes, ``direct-routing-skip-unreachable`` (a node that is not on the
link is skipped, and an event says so; in life the agent's log does).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from k8slearn.api.admit import stamped, timestamp, uid
from k8slearn.api.events import event
from k8slearn.cni.cilium import agent, identity, maps
from k8slearn.cni.cilium.encryption import KEY
from k8slearn.components.cilium import config, encryption, host, masquerade
from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Put, Remove, World
from k8slearn.linux import ip, route
from k8slearn.linux.rows import Route

Obj = dict[str, Any]
EVERYWHERE = "0.0.0.0/0"


def publish(world: World, node: str) -> Commands:
    """This node's CiliumNode: its addresses, and its public key."""
    name = node.removeprefix("node:")
    before: Obj = world.get(("api", agent.CILIUM_NODES, name)) or {}
    own, here = config.underlay(world, node), maps.config(world, node)
    if own is None:
        return
    addresses = [{"ip": own.address, "type": "InternalIP"}]
    if here is not None:
        addresses.append({"ip": here.router, "type": "CiliumInternalIP"})
    ipam = (before.get("spec") or {}).get("ipam") or _ipam(world, name)
    of_key = encryption.notes(world, node)
    noted = {"annotations": of_key} if of_key else {}
    metadata = before.get("metadata") or {
        "name": name,
        "uid": uid(world, agent.CILIUM_NODES, name),
        "creationTimestamp": timestamp(world.clock),
    }
    metadata = {k: v for k, v in metadata.items() if k != "annotations"} | noted
    spec = {"addresses": addresses, "encryption": {"key": KEY} if of_key else {}, "ipam": ipam}
    made = {"apiVersion": "cilium.io/v2", "kind": "CiliumNode", "metadata": metadata, "spec": spec}
    if made != before:
        yield Put(("api", agent.CILIUM_NODES, name), stamped(world, made))


def _ipam(world: World, name: str) -> Obj:
    """``ipam: kubernetes``: the range is the Node's own; else the operator gives one."""
    if config.of(world).get("ipam") != "kubernetes":
        return {}
    node: Mapping[str, Any] = world.get(("api", "nodes", name)) or {}
    cidr = (node.get("spec") or {}).get("podCIDR")
    return {"podCIDRs": [cidr]} if cidr else {}


def every(world: World, node: str) -> Commands:
    """All that is published; and what is published no more goes."""
    here = maps.config(world, node)
    assert here is not None
    yield from _put(world, node, EVERYWHERE, maps.Remote(identity.WORLD, of="itself"))
    for own in sorted({here.node_ip, here.router}):
        yield from _put(world, node, f"{own}/32", maps.Remote(identity.HOST, of="itself"))
    nodes, pods = world.table("api", agent.CILIUM_NODES), world.table("api", agent.CILIUM_ENDPOINTS)
    for name in sorted(map(str, nodes)):
        yield from _node(world, node, name)
    for name in sorted(map(str, pods)):
        yield from _endpoint(world, node, name)
    for name in sorted(map(str, nodes)):
        yield from _peer(world, node, name)
    known = {"itself", "policy", *map(str, pods), *(f"CiliumNode {name}" for name in nodes)}
    here_too = {row.pod for row in agent.endpoints(world, node)}
    for cidr, row in list(world.table(node, maps.IPCACHE).items()):
        if row.of not in known | here_too:
            yield Remove((node, maps.IPCACHE, cidr))


def node(world: World, node: str, name: str) -> Commands:
    """A CiliumNode has changed."""
    yield from _node(world, node, name)
    yield from _peer(world, node, name)


def endpoint(world: World, node: str, name: str) -> Commands:
    """A CiliumEndpoint has changed."""
    yield from _endpoint(world, node, name)
    for other in _nodes_of(world, name):
        yield from _peer(world, node, other)


def validate(world: World, node: str, _: str = "") -> Commands:
    """The routes to the own pods and to the other nodes' are there (``NodeValidateImplementation``)."""
    here = maps.config(world, node)
    assert here is not None
    yield from host.own_routes(world, node, here)
    for name, row in sorted(world.table("api", agent.CILIUM_NODES).items(), key=str):
        if name != node.removeprefix("node:"):
            yield from _route(world, node, row, here)


def _node(world: World, node: str, name: str) -> Commands:
    here, row = maps.config(world, node), world.get(("api", agent.CILIUM_NODES, name))
    assert here is not None
    if name == node.removeprefix("node:"):
        return
    wanted = _rows(world, row, here) if row is not None else {}
    of = f"CiliumNode {name}"
    for cidr in list(maps.owned(world, node, of)):
        if cidr not in wanted:
            old: maps.Remote = world.get((node, maps.IPCACHE, cidr))
            yield Remove((node, maps.IPCACHE, cidr))
            if not cidr.endswith("/32"):
                yield from _no_route(world, node, cidr)
                yield from encryption.forget(world, node, old.tunnel)
    for cidr, remote in wanted.items():
        yield from _put(world, node, cidr, remote)
    if row is not None:
        yield from _route(world, node, row, here)
    if not here.tunnel:
        yield from masquerade.nodes(world, node)


def _rows(world: World, row: Obj, here: maps.Config) -> dict[str, maps.Remote]:
    """What the ipcache has to know of another node."""
    address, router, of = _address(row), _address(row, "CiliumInternalIP"), f"CiliumNode {row['metadata']['name']}"
    if not address:
        return {}
    key = KEY if here.wireguard else 0
    who = identity.KUBE_APISERVER if _has_api_server(world, address) else identity.REMOTE_NODE
    found = {f"{address}/32": maps.Remote(who, of=of)}
    if router:
        found[f"{router}/32"] = maps.Remote(identity.REMOTE_NODE, address, key, of)
    for cidr in row["spec"].get("ipam", {}).get("podCIDRs") or ():
        found[cidr] = maps.Remote(identity.WORLD, address, key, of)
    return found


def _address(row: Obj, kind: str = "InternalIP") -> str:
    return next((str(a["ip"]) for a in row["spec"].get("addresses") or () if a["type"] == kind), "")


def _has_api_server(world: World, address: str) -> bool:
    piece: Obj = world.get(("api", "endpointslices", "default/kubernetes")) or {}
    return any(address in e.get("addresses", ()) for e in piece.get("endpoints") or ())


def _route(world: World, node: str, row: Obj, here: maps.Config) -> Commands:
    """The node's own stack finds the other node's pods."""
    for cidr in row["spec"].get("ipam", {}).get("podCIDRs") or ():
        if here.tunnel:
            mtu = here.route_mtu if here.route_mtu != here.mtu else 0
            wanted = Route(cidr, via=here.router, dev=maps.HOST_DEV, src=here.router, proto="kernel", mtu=mtu)
        elif not config.is_on(world, "auto-direct-node-routes"):
            yield from _no_route(world, node, cidr)
            continue
        else:
            mtu = here.route_mtu if here.route_mtu != here.mtu else 0
            wanted = Route(cidr, via=_address(row), dev=here.device, proto="kernel", mtu=mtu)
            if not _is_near(world, node, here, _address(row)):
                yield from _no_route(world, node, cidr)
                yield from _too_far(world, node, cidr, _address(row))
                continue
        if world.get(route.key(node, wanted)) != wanted:
            yield from _no_route(world, node, cidr)
            yield from _added(world, node, wanted)


def _added(world: World, node: str, wanted: Route) -> Commands:
    """A route that the kernel does not take now is tried again when something changes."""
    try:
        yield from route.replace(world, node, wanted)
    except CommandError:
        return


def _is_near(world: World, node: str, here: maps.Config, address: str) -> bool:
    rows = [row for row in world.table(node, "addr").values() if row.dev == here.device and ":" not in row.address]
    return any(ip.within(address, row.network) for row in rows)


def _too_far(world: World, node: str, cidr: str, address: str) -> Commands:
    words = f"route to destination {cidr} contains gateway {address}, must be directly reachable"
    about = world.get(("api", "nodes", node.removeprefix("node:")))
    said = event(world, about, "NodeRouteFailed", words, "cilium-agent", "Warning")
    if world.get(said.key) is None:
        yield said


def _no_route(world: World, node: str, cidr: str) -> Commands:
    rows: list[Route] = list(world.table(node, "route").values())
    for row in rows:
        if row.dst == cidr and row.proto == "kernel" and row.table == "main" and row.via:
            yield Remove(route.key(node, row))


def _endpoint(world: World, node: str, name: str) -> Commands:
    row, here = world.get(("api", agent.CILIUM_ENDPOINTS, name)), maps.config(world, node)
    assert here is not None
    wanted = agent.address_of(row) if row is not None else ""
    for cidr in list(maps.owned(world, node, name)):
        if cidr != f"{wanted}/32" and maps.endpoint(world, node, cidr.partition("/")[0]) is None:
            yield Remove((node, maps.IPCACHE, cidr))
    if row is None or not wanted:
        return
    status = row["status"]
    where = str(status["networking"]["node"])
    local = where == here.node_ip
    key = KEY if here.wireguard and not local else 0
    remote = maps.Remote(int(status["identity"]["id"]), "" if local else where, key, name)
    yield from address(world, node, wanted, remote)


def address(world: World, node: str, address: str, remote: maps.Remote) -> Commands:
    """The ipcache knows who has an address."""
    yield from _put(world, node, f"{address}/32", remote, ("api", agent.CILIUM_ENDPOINTS, remote.of))


def published(world: World, address: str) -> bool:
    """Is there a CiliumEndpoint with this address?"""
    return bool(agent.identity_of(world, address))


def _nodes_of(world: World, name: str) -> list[str]:
    """The node that a CiliumEndpoint is on; where it is gone, all (its address has to leave somebody's list)."""
    row = world.get(("api", agent.CILIUM_ENDPOINTS, name))
    nodes = world.table("api", agent.CILIUM_NODES)
    where = str(row["status"]["networking"]["node"]) if row is not None else ""
    return [str(other) for other, found in nodes.items() if where in ("", _address(found))]


def _peer(world: World, node: str, name: str) -> Commands:
    row, here = world.get(("api", agent.CILIUM_NODES, name)), maps.config(world, node)
    if row is None or here is None or not here.wireguard or name == node.removeprefix("node:"):
        return
    key = str((row["metadata"].get("annotations") or {}).get(encryption.ANNOTATION, ""))
    yield from encryption.peer(world, node, _address(row), key)


def _put(world: World, node: str, cidr: str, row: maps.Remote, cause: Any = None) -> Commands:
    if world.get((node, maps.IPCACHE, cidr)) != row:
        cause = cause or (
            ("api", agent.CILIUM_NODES, row.of.removeprefix("CiliumNode ")) if "CiliumNode" in row.of else None
        )
        yield Put((node, maps.IPCACHE, cidr), row, cause)
