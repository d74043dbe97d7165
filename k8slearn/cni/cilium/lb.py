"""Services under Cilium are told to sockets: ``connect()`` to a Service's address is a ``connect()`` to a pod's.

::

    connect(10.96.0.10:80) ── cilium_lb4_services_v2 10.96.0.10:80/TCP (0)   is it a Service, how many backends?
                              draw a slot: 10.96.0.10:80/TCP (2)             which backend?
                              cilium_lb4_backends_v3 7                       10.244.1.3:8080
    from here on the socket talks to 10.244.1.3:8080; no packet ever has the Service's address

So there is nothing to translate back, no conntrack entry, and no rule that a packet is compared with. UDP without
``connect()`` is told at ``sendmsg()``, and the answers' sender is turned back at ``recvmsg()``. Every look-up is one
key in a hash table: it takes as long with one Service as with ten thousand. A Service without backends refuses at once,
with EHOSTUNREACH.

A NodePort is known by any node's address, a hostPort by its own node's: the programs look under 0.0.0.0 for them
(`sock4_wildcard_lookup`).

Sources: bpf/bpf_sock.c, bpf/lib/lb.h.

Left out: Maglev (``loadBalancer.algorithm``: random is the default), loadBalancerSourceRanges,
local redirect policies, sockets that were bound before the Service existed.
"""

from __future__ import annotations

from fractions import Fraction

from k8slearn.cni.cilium import identity, maps
from k8slearn.cni.cilium.maps import Backend, Frontend, Service
from k8slearn.journal import Put, Table, World
from k8slearn.linux.bpf import Connect, Instead, Refusal
from k8slearn.linux.skb import Net

NO_BACKEND = "No route to host"
"""EHOSTUNREACH"""
ANYWHERE = "0.0.0.0"
OURS = (identity.HOST, identity.REMOTE_NODE, identity.KUBE_APISERVER)


def _connect(net: Net, netns: str, dst: str, port: int, proto: str) -> Instead | Refusal | None:
    """``__sock4_xlate_fwd``"""
    node = netns.partition("/")[0]
    front = frontend(net.world, node, dst, port, proto) if ":" not in dst and proto in ("tcp", "udp", "sctp") else None
    if front is None:
        return None
    return choose(net, node, _inside(net.world, node, front), netns)


def choose(net: Net, node: str, front: Frontend, client: str) -> Instead | Refusal:
    """One backend of a frontend, each as likely as the other; or the one that this client has had lately."""
    service: Service = net.world.rows[node, maps.SERVICES][front]
    why = maps.why(node, maps.SERVICES, front, told(service))
    if not service.count:
        return Refusal(NO_BACKEND, why)
    kept = _kept(net, node, front, service, client)
    slot = front._replace(slot=kept or 1 + _draw(net, node, front, service.count))
    chosen: Service | None = net.world.rows[node, maps.SERVICES].get(slot)
    found: Backend | None = net.world.rows[node, maps.BACKENDS].get(str(chosen.backend)) if chosen else None
    if chosen is None or found is None:
        return Refusal(NO_BACKEND, why)
    said = f"{found.address}:{found.port} ({owner(chosen)})"
    learned: tuple[Put, ...] = ()
    if service.affinity:
        session = maps.Affinity(chosen.backend, net.world.clock)
        learned = (Put((node, maps.AFFINITY, (client, service.rev_nat)), session),)
    why = maps.why(node, maps.SERVICES, slot, f"-> backend {chosen.backend} {said}")
    return Instead(found.address, found.port, why, learned)


def told(row: Service) -> str:
    """A frontend's own row, as ``cilium-dbg bpf lb list`` has it, and whose it is."""
    return f"[{', '.join((row.kind, *row.flags))}] {row.count} backends ({owner(row)})"


def owner(row: Service) -> str:
    """Who has the frontend: a Service, and the EndpointSlice that names the backend; or a pod by its hostPort."""
    whose = f"Pod {row.of}" if row.kind == "HostPort" else f"Service {row.of}"
    return f"{whose}, EndpointSlice {row.piece}" if row.piece else whose


def _kept(net: Net, node: str, front: Frontend, service: Service, client: str) -> int:
    """The slot of the backend that a client stays with (``lb4_affinity_backend_id``); 0: it chooses afresh.

    A client is an address; for sockets it is their network namespace (its cookie): a pod."""
    row: maps.Affinity | None = net.world.rows[node, maps.AFFINITY].get((client, service.rev_nat))
    if row is None or not service.affinity or net.world.clock - row.used >= service.affinity:
        return 0
    slots = net.world.rows[node, maps.SERVICES].index(_slots)
    return slots.get((front, row.backend), 0)


def _slots(rows: Table) -> dict[tuple[Frontend, int], int]:
    fronts = ((front, row) for front, row in rows.items() if isinstance(front, Frontend) and front.slot)
    return {(front._replace(slot=0), row.backend): front.slot for front, row in fronts}


def _draw(net: Net, node: str, front: Frontend, count: int) -> int:
    """``get_prandom_u32() % count``, thrown as a few halvings: each end is exactly as likely as it should be."""
    low, high = 0, count
    while high - low > 1:
        middle = (low + high) // 2
        first = net.draw((node, maps.SERVICES, front), f"slots {low + 1} to {middle} of {front}",
                         Fraction(middle - low, high - low))  # fmt: skip
        low, high = (low, middle) if first else (middle, high)
    return low


def frontend(world: World, node: str, dst: str, port: int, proto: str) -> Frontend | None:
    """The frontend of an address and a port, as a socket asks for it."""
    services, front = world.rows[node, maps.SERVICES], Frontend(dst, port, proto)
    if front in services:
        return front
    anywhere = Frontend(ANYWHERE, port, proto)
    row: Service | None = services.get(anywhere)
    if row is None:
        return None
    found = maps.remote(world, node, dst)
    who = identity.HOST if dst.startswith("127.") else found[1].identity if found is not None else identity.WORLD
    return anywhere if who in ((identity.HOST,) if row.kind == "HostPort" else OURS) else None


def _inside(world: World, node: str, front: Frontend) -> Frontend:
    """From inside the cluster a frontend with two scopes has all its backends (``scope_switch``)."""
    inside = front._replace(scope=maps.INTERNAL)
    return inside if inside in world.rows[node, maps.SERVICES] else front


CONNECT = Connect("cil_sock4_connect", _connect)
