"""A cloud's load balancer: outside of the nodes, and made by a controller that runs in the cluster.

The **service controller** (in every cloud-controller-manager) asks the cloud for a load balancer for each Service of
type LoadBalancer that names no other class, and writes its address into the Service's status. The cloud sends what
comes for it to the nodes, and knows of pods nothing: to every node whose kube-proxy says that it is well (port
10256), or with ``externalTrafficPolicy: Local`` to those that have an endpoint of their own (``healthCheckNodePort``).
Nodes labelled ``node.kubernetes.io/exclude-from-external-load-balancers``, a control plane for one, are left out.

Clouds are of two kinds, and ``--load-balancer-mode`` says which one this is::

    passthrough   packets come to a node as the client sent them, for the load balancer's address: kube-proxy's rules
                  for that address take them (``ipMode: VIP``). The client's address is still there
    proxy         the load balancer takes the connection and makes one of its own to a node port (``ipMode: Proxy``:
                  kube-proxy must not catch the address, or pods would pass the load balancer by). The client is gone

Here the cloud is the router under the cluster: `fabric.py` has what it is told. Installed by the manifest ``cloud``.

Left out: how often a health check is asked and how often it must fail (it is asked when something changed that it
depends on), UDP's and SCTP's own load balancers, the finalizer, IPv6, host names in place of addresses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from k8slearn.api import conditions
from k8slearn.api.admit import stamped
from k8slearn.api.events import event
from k8slearn.cni import cri
from k8slearn.components.cloud_balancer import fabric
from k8slearn.components.cloud_balancer.fabric import Balancer, Front
from k8slearn.journal import Commands, Key, Put, World, drive
from k8slearn.linux import ip, socket
from k8slearn.linux.listen import status

PROGRAM = "cloud-controller-manager"
EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
HEALTHZ = 10256
RANGE, MODE = "--load-balancer-range", "--load-balancer-mode"
DEFAULTS = {RANGE: "198.51.100.0/28", MODE: "passthrough"}
ALL = "all"
Obj = dict[str, Any]


class CloudBalancer:
    """One key: all Services at once."""

    name = "service-controller"

    def watches(self) -> Mapping[str, str]:
        return {
            **{"services": "those of type LoadBalancer", "nodes": "where it may send", "container": "its own"},
            **{"socket": "what health checks hear", "netns": "a machine that is on"},
        }

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        row = world.get(changed)
        if changed[1] == "container":
            return (ALL,) if row is not None and row.program == PROGRAM else ()
        if changed[1] == "socket" and row is not None and row.program != "kube-proxy":
            return ()
        return (ALL,) if _pod(world) is not None else ()

    def reconcile(self, world: World, key: str) -> Commands:
        told = _pod(world)
        if told is None:
            return
        given = _given(world, told[RANGE])
        nodes = _nodes(world)
        balancers = []
        for name, address in given.items():
            service = world.get(("api", "services", name))
            balancers.append(_balancer(world, name, service, address, nodes, told[MODE]))
            yield from _published(world, name, service, address, told[MODE])
        yield from fabric.configured(world, balancers)
        for other, service in sorted(world.table("api", "services").items(), key=str):
            if not _is_ours(service) and _own(service, told[RANGE]):
                yield _put(world, str(other), service, {})

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        return ()


def _pod(world: World) -> dict[str, str] | None:
    """The settings of the controller that runs, if one does."""
    for node in map(str, world.table("api", "nodes")):
        scope = f"node:{node}"
        if cri.runs(world, scope, PROGRAM):
            rows = world.table(scope, "container").values()
            row = next(row for row in rows if row.program == PROGRAM and row.state == cri.RUNNING)
            return _told(world, row)
    return None


def _told(world: World, row: cri.Container) -> dict[str, str]:
    pod = world.get(("api", "pods", row.pod)) or {"spec": {"containers": []}}
    spec: Obj = next((c for c in pod["spec"]["containers"] if c["name"] == row.name), {})
    words = [*(spec.get("command") or ()), *(spec.get("args") or ())]
    return DEFAULTS | {name: value for name, _, value in (word.partition("=") for word in words) if name in DEFAULTS}


def _is_ours(service: Obj) -> bool:
    return service["spec"].get("type") == "LoadBalancer" and not service["spec"].get("loadBalancerClass")


def _own(service: Obj, cidr: str) -> str:
    """The address of the range that its status has, or nothing."""
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    address = str(ingress[0].get("ip", "")) if ingress else ""
    return address if address and ip.within(address, cidr) else ""


def _given(world: World, cidr: str) -> dict[str, str]:
    """Service -> its address: the one that it has, else the next that is free. Who comes too late has none."""
    services = sorted((str(name), s) for name, s in world.table("api", "services").items() if _is_ours(s))
    found = {name: _own(service, cidr) for name, service in services if _own(service, cidr)}
    base, prefix = ip.network(cidr)
    every = (ip.text(base + n) for n in range(1, (1 << (32 - prefix)) - 1))
    free = (address for address in every if address not in set(found.values()))
    for name, _ in services:
        if name not in found and (address := next(free, "")):
            found[name] = address
    return dict(sorted(found.items()))


def _nodes(world: World) -> dict[str, str]:
    """Node -> its address, of the nodes that a load balancer may know of."""
    found = {}
    for name, node in sorted(world.table("api", "nodes").items(), key=str):
        address = next((a["address"] for a in node["status"].get("addresses") or () if a["type"] == "InternalIP"), "")
        if address and EXCLUDED not in (node["metadata"].get("labels") or {}) and conditions.holds(node, "Ready"):
            found[str(name)] = address
    return found


def _balancer(world: World, name: str, service: Obj, address: str, nodes: dict[str, str], mode: str) -> Balancer:
    spec = service["spec"]
    port = int(spec.get("healthCheckNodePort") or 0) if spec.get("externalTrafficPolicy") == "Local" else 0
    healthy = tuple((node, at) for node, at in nodes.items() if _is_well(world, at, port or HEALTHZ))
    fronts = tuple(
        Front(str(p.get("protocol", "TCP")).lower(), int(p["port"]), int(p.get("nodePort") or 0)) for p in spec["ports"]
    )
    ranges = tuple(r.strip() for r in spec.get("loadBalancerSourceRanges") or () if ":" not in r)
    return Balancer(name, address, mode, fronts, healthy, ranges)


def _is_well(world: World, address: str, port: int) -> bool:
    """Does a health check hear 200? It is a conversation like any other, from the cloud to the node."""
    fork = world.fork()
    ending = drive(socket.connect(fork, fabric.CLOUD, address, port, path="/healthz"), fork.apply).ending
    return ending.outcome == "connected" and status(ending.payload).startswith("200")


def _published(world: World, name: str, service: Obj, address: str, mode: str) -> Commands:
    ingress = {"ip": address, "ipMode": "Proxy" if mode == "proxy" else "VIP"}
    if ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") == [ingress]:
        return
    yield event(world, service, "EnsuringLoadBalancer", "Ensuring load balancer", CloudBalancer.name)
    if mode == "proxy" and not all(port.get("nodePort") for port in service["spec"]["ports"]):
        words = "Error syncing load balancer: this load balancer sends to node ports, and the Service has none"
        yield event(world, service, "SyncLoadBalancerFailed", words, CloudBalancer.name, "Warning")
        return
    yield event(world, service, "EnsuredLoadBalancer", "Ensured load balancer", CloudBalancer.name)
    yield _put(world, name, service, {"ingress": [ingress]})


def _put(world: World, name: str, service: Obj, balancer: Obj) -> Put:
    whole = {**service, "status": {**(service.get("status") or {}), "loadBalancer": balancer}}
    return Put(("api", "services", name), stamped(world, whole), ("api", "services", name))
