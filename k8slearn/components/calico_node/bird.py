"""BIRD: every node tells every other one which blocks are behind it (BGP, a full mesh of sessions, TCP port 179).

What a BIRD exports is what its own kernel shows: the blackhole routes of the node's blocks (so that an address nobody
has is not sent out again) and single addresses that the node has borrowed. What it learns it writes into its kernel::

    blackhole 10.244.95.192/26 proto bird                           a block of this node's
    10.244.36.64/26 via 192.168.64.12 dev tunl0 proto bird onlink   another's; the pool's ipipMode is Always
    10.244.36.64/26 via 192.168.64.12 dev eth0 proto bird           Never, or CrossSubnet within one subnet

Of two nodes the one with the smaller address calls, the other waits (``passive``). Whether they hear each other is
asked of the kernels: a connection is walked from the one to the other. A session that breaks without a word is
believed in until the hold time is over; a peer whose program died is waited for (graceful restart).

Left out: timers of retries (a session that can be made is made at once), filters, several paths to one network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from k8slearn.cni import blocks
from k8slearn.cni.bgp import HOLD, PORT, RESTART, Session
from k8slearn.components.calico_node import startup
from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Key, Put, Remove, World, drive
from k8slearn.linux import fib, ip, ipip, route, socket
from k8slearn.linux.rows import Route, Socket

PROTO = "bird"
REACH = "reach/"
"""What a node's key begins with when its sessions are to be tried afresh."""
OTHERS = ("KUBE-", "cali-", "CNI-", "kube-proxy")
"""Chains of Kubernetes' own that do not touch port 179."""
LISTENER = ("tcp", "0.0.0.0", PORT)


def rows(world: World, node: str) -> list[Session]:
    """The sessions of a node."""
    return list(world.table(node, "bgp").values())


def concerned(world: World, changed: Key) -> Iterable[str]:
    """The keys of the nodes whose BIRDs feel that this row of a machine changed."""
    scope, table, name = changed
    if not scope.startswith("node:") or "/" in scope:
        return ()
    own = scope.removeprefix("node:")
    if table == "route":
        return _by_route(world, changed, own)
    if table == "chain":
        ours = isinstance(name, tuple) and (name[1] == "nat" or str(name[2]).startswith(OTHERS))
        return () if ours else (REACH + own,)
    underlay = startup.underlay(world, scope)
    if table in ("link", "addr") and underlay is not None:
        return (REACH + own,) if name == underlay.dev or (isinstance(name, tuple) and underlay.dev in name) else ()
    return () if table == "sysctl" and ".cali" in str(name) else (REACH + own,)


def _by_route(world: World, changed: Key, own: str) -> Iterable[str]:
    """A route that is exported concerns the others; one towards the nodes concerns the node's own sessions."""
    row: Route | None = world.get(changed)
    dst = str(changed[2][1]) if isinstance(changed[2], tuple) else ""
    others = [name for name in startup.mesh(world).values() if name != own]
    if row is not None and dst in exported(world, f"node:{own}"):
        return others
    if row is None and any(("main", dst, 0) in world.table(f"node:{name}", "route") for name in others):
        return others
    return () if blocks.pool_of(world, dst) is not None else (REACH + own,)


def exported(world: World, node: str) -> list[str]:
    """What a node's BIRD tells the others: its blocks, and what it has out of others' blocks."""
    routes: list[Route] = list(world.table(node, "route").values())
    mine = [row.dst for row in routes if row.kind == "blackhole" and row.proto == PROTO]
    alone = (row.dst for row in routes if row.dev.startswith("cali") and row.dst.endswith("/32"))
    return [*mine, *(dst for dst in alone if not any(ip.within(dst.partition("/")[0], cidr) for cidr in mine))]


# --- sessions ----------------------------------------------------------------------------------


def sessions(world: World, node: str, runs: Callable[[str], bool], afresh: bool) -> Commands:
    """Listen, and bring every session to where it should be; `runs`: is the agent alive on that machine?

    What is known to stand is tried again only when something on the way has changed (`afresh`).
    """
    key: Key = (node, "socket", LISTENER)
    if world.get(key) is None:
        yield Put(key, Socket(*LISTENER, "bird", node, node.removeprefix("node:")))
    own = startup.underlay(world, node)
    for peer, name in startup.mesh(world).items():
        if own is None or peer == own.address:
            continue
        before: Session | None = world.get((node, "bgp", peer))
        calls = ip.number(own.address) < ip.number(peer)
        alive = runs(f"node:{name}")
        stands = not afresh and (_stands(before) or _stands(world.get((f"node:{name}", "bgp", own.address))))
        one, other = (node, peer) if calls else (f"node:{name}", own.address)
        heard = alive and (stands or _hears(world, one, other))
        now = _next(world.clock, before, peer, alive, heard, calls)
        if now != before:
            yield Put((node, "bgp", peer), now)


def stopped(world: World, node: str) -> Commands:
    """The program is gone: nobody listens, no session stands. What it wrote into the kernel stays (``persist``)."""
    for row in rows(world, node):
        yield Remove((node, "bgp", row.peer))
    held: Socket | None = world.get((node, "socket", LISTENER))
    if held is not None and held.program == "bird":
        yield Remove((node, "socket", LISTENER))


def _next(clock: float, before: Session | None, peer: str, alive: bool, heard: bool, calls: bool) -> Session:
    """The state of a session after this look."""
    trying = "Passive" if not calls else "Connect" if alive else "Active Socket: Connection refused"
    if heard:
        up = before is not None and before.state == "up"
        return replace(before, until=0.0) if up and before else Session(peer, "up", "Established", clock)
    if before is None:
        return Session(peer, "start", trying, clock)
    if before.state == "up" and not alive:
        return Session(peer, "start", trying, clock, clock + RESTART)
    if before.state == "up" and not before.until:
        return replace(before, until=clock + HOLD)
    if before.state == "up":
        return before if clock < before.until else Session(peer, "start", trying, clock)
    return replace(before, info=trying, until=before.until if clock < before.until else 0.0)


def _stands(row: Session | None) -> bool:
    return row is not None and row.state == "up" and not row.until


def _hears(world: World, node: str, peer: str) -> bool:
    """Does a connection to the peer's port 179 stand? Asked on a fork of the world, which is thrown away."""
    fork = world.fork()
    return bool(drive(socket.connect(fork, node, peer, PORT, attempts=1), fork.apply).ending.outcome == "connected")


# --- routes ------------------------------------------------------------------------------------


def routes(world: World, node: str) -> Commands:
    """The kernel's routes of BIRD's are those that it should have."""
    name = node.removeprefix("node:")
    wanted = {cidr: Route(cidr, kind="blackhole", proto=PROTO) for cidr in blocks.affine(world, name)}
    mesh = startup.mesh(world)
    for row in rows(world, node):
        if row.counts and row.peer in mesh:
            for dst in exported(world, f"node:{mesh[row.peer]}"):
                wanted.setdefault(dst, _learned(world, node, dst, row.peer))
    there: list[Route] = [old for old in world.table(node, "route").values() if old.proto == PROTO]
    for old in there:
        if old.dst not in wanted:
            yield Remove(route.key(node, old))
    for dst in wanted:
        if world.get(route.key(node, wanted[dst])) != wanted[dst]:
            yield from _written(world, node, wanted[dst])


def _learned(world: World, node: str, dst: str, peer: str) -> Route:
    """The route to a network that is behind a peer, as the pool's mode says (``calico_kernel_programming``)."""
    pool = blocks.pool_of(world, dst) or {"spec": {}}
    mode, own = pool["spec"].get("ipipMode") or "Never", startup.underlay(world, node)
    near = own is not None and ip.within(peer, own.network)
    if mode == "Always" or (mode == "CrossSubnet" and not near):
        return Route(dst, via=peer, dev=ipip.FALLBACK, proto=PROTO, onlink=True)
    found = fib.lookup(world, node, peer)
    return Route(dst, via=found.via or peer, dev=found.dev, proto=PROTO)


def _written(world: World, node: str, wanted: Route) -> Commands:
    """A route that the kernel does not take now is tried again at the next scan; where somebody else's stands, it takes
    none (bird sysdep/linux/netlink.c asks with NLM_F_EXCL)."""
    there: Route | None = world.get(route.key(node, wanted))
    if there is not None and there.proto != PROTO:
        return
    try:
        yield from route.replace(world, node, wanted)
    except CommandError:
        return
