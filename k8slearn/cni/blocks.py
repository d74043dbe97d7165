"""Calico's addresses: pools, blocks of them that nodes claim, and who holds which (libcalico-go/lib/ipam).

A **pool** (``kubectl get ippools``) is a range of the cluster, cut into **blocks** of 64 addresses (``blockSize: 26``).
A node that needs an address claims a free block, and from then on one route leads to all of its pods. Which block it
tries first is drawn from its name. A block's addresses are given in order; a freed one waits behind the others. When
no block is free, a node **borrows** single addresses from other nodes' blocks. ``spec.podCIDR`` is never asked.

All of this is objects in the API, written by whoever needs an address: the plugin ``calico-ipam`` for a pod, the agent
for its tunnel. A person looks with ``calicoctl ipam show --show-blocks``.

Left out: IPv6, IPAMHandle objects (a block says itself which handle holds what), reservations, strict affinity and
limits on blocks, node and namespace selectors other than ``all()``, giving empty blocks back.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from k8slearn.api.admit import stamped, timestamp, uid
from k8slearn.cni.spec import CniError
from k8slearn.journal import Command, Commands, Key, Put, Table, World, digest
from k8slearn.linux import ip

GROUP = "crd.projectcalico.org"
POOLS, BLOCKS, AFFINITIES = (f"{plural}.{GROUP}" for plural in ("ippools", "ipamblocks", "blockaffinities"))
Obj = dict[str, Any]
Address = Generator[Command, None, str]
"""Commands that give an address."""


def pools(world: World, use: str = "Workload") -> list[Obj]:
    """The pools that addresses may be taken from, by name."""
    rows = world.table("api", POOLS)
    found = (rows[name] for name in sorted(rows, key=str))
    return [pool for pool in found if _serves(pool["spec"], use)]


def _serves(spec: Obj, use: str) -> bool:
    everywhere = spec.get("nodeSelector") in (None, "", "all()")
    uses = spec.get("allowedUses") or ("Workload", "Tunnel")
    return ":" not in spec["cidr"] and not spec.get("disabled") and everywhere and use in uses


def pool_of(world: World, address: str) -> Obj | None:
    """The pool that an address (or a block) is in, whoever may take from it."""
    rows = world.table("api", POOLS).values()
    return next((pool for pool in rows if ip.within(address.partition("/")[0], pool["spec"]["cidr"])), None)


def every(world: World) -> dict[str, Obj]:
    """All blocks, by CIDR in the order of their addresses."""
    return world.table("api", BLOCKS).index(_by_cidr)


def _by_cidr(rows: Table) -> dict[str, Obj]:
    specs = ((row["spec"]["cidr"], row) for row in rows.values())
    return dict(sorted(specs, key=lambda row: ip.network(row[0])))


def affine(world: World, node: str) -> list[str]:
    """The blocks (CIDRs) that a node has claimed."""
    return [cidr for cidr, block in every(world).items() if owner(block) == node]


def owner(block: Obj) -> str:
    """The node that a block belongs to."""
    return str(block["spec"].get("affinity", "")).removeprefix("host:")


def allocations(block: Obj) -> Iterator[tuple[str, Obj]]:
    """(address, attribute) of everything that is given out of a block."""
    base, _ = ip.network(block["spec"]["cidr"])
    for ordinal, index in enumerate(block["spec"]["allocations"]):
        if index is not None:
            yield ip.text(base + ordinal), block["spec"]["attributes"][index]


def held(world: World, handle: str) -> list[str]:
    """The addresses that a handle (``k8s-pod-network.CONTAINER``) holds."""
    blocks = (block for block in every(world).values() if _knows(block, handle))
    return [address for block in blocks for address, row in allocations(block) if row["handle_id"] == handle]


def _knows(block: Obj, handle: str) -> bool:
    return any(row["handle_id"] == handle for row in block["spec"]["attributes"])


def assign(world: World, node: str, handle: str, attributes: Obj, use: str = "Workload") -> Address:
    """The next free address for a node: from its own blocks, a new one, or somebody else's. Raises CniError."""
    usable = pools(world, use)
    if not usable:
        raise CniError("no configured Calico pools for node " + node)
    ours = [
        cidr
        for cidr in affine(world, node)
        if any(ip.within(cidr.partition("/")[0], p["spec"]["cidr"]) for p in usable)
    ]
    free = next((cidr for cidr in ours if every(world)[cidr]["spec"]["unallocated"]), "")
    walk = [cidr for pool in usable for cidr in _round(pool, node)] if not free else []
    if not free and (free := next((cidr for cidr in walk if cidr not in every(world)), "")):
        yield from _claim(world, node, free)
    blocks = every(world)
    free = free or next((cidr for cidr in walk if cidr in blocks and blocks[cidr]["spec"]["unallocated"]), "")
    if not free:
        exhausted = " ".join(pool["spec"]["cidr"] for pool in usable)
        words = f"Assigned 0 out of 1 requested IPv4 addresses; No IPs available in pools: [{exhausted}]"
        raise CniError(f"failed to request IPv4 addresses: {words}")
    return (yield from _give(world, blocks[free], blocks[free]["spec"]["unallocated"][0], handle, attributes))


def take(world: World, node: str, address: str, handle: str, attributes: Obj) -> Address:
    """The address that somebody asked for, whoever's block it is in. Raises CniError."""
    pool = pool_of(world, address)
    if pool is None:
        raise CniError("The provided IP address is not in a configured pool\n")
    cidr = ip.network_of(address, _size(pool))
    if cidr not in every(world):
        yield from _claim(world, node, cidr)
    block = every(world)[cidr]
    ordinal = ip.number(address) - ip.network(cidr)[0]
    if ordinal not in block["spec"]["unallocated"]:
        raise CniError(f"resource already exists: {address} with error: Address already assigned in block")
    return (yield from _give(world, block, ordinal, handle, attributes))


def release(world: World, handle: str) -> Commands:
    """Everything that a handle holds is free again, behind what was free before."""
    for block in [block for block in every(world).values() if _knows(block, handle)]:
        spec = block["spec"]
        gone = {index for index, row in enumerate(spec["attributes"]) if row["handle_id"] == handle}
        kept = [index for index in range(len(spec["attributes"])) if index not in gone]
        free = [ordinal for ordinal, index in enumerate(spec["allocations"]) if index in gone]
        now = {
            "allocations": [None if at is None or at in gone else kept.index(at) for at in spec["allocations"]],
            "attributes": [spec["attributes"][index] for index in kept],
            "unallocated": [*spec["unallocated"], *free],
        }
        yield Put(_key(BLOCKS, block), stamped(world, {**block, "spec": {**spec, **now}}))


def _give(world: World, block: Obj, ordinal: int, handle: str, attributes: Obj) -> Address:
    spec = block["spec"]
    row = {"handle_id": handle, "secondary": {**attributes, "timestamp": timestamp(world.clock)}}
    index = len(spec["attributes"])
    now = {
        "allocations": [index if at == ordinal else old for at, old in enumerate(spec["allocations"])],
        "attributes": [*spec["attributes"], row],
        "unallocated": [other for other in spec["unallocated"] if other != ordinal],
    }
    yield Put(_key(BLOCKS, block), stamped(world, {**block, "spec": {**spec, **now}}))
    return ip.text(ip.network(spec["cidr"])[0] + ordinal)


def _claim(world: World, node: str, cidr: str) -> Commands:
    """The block is the node's from now on: it says so itself, and a BlockAffinity says so by the node's name."""
    size = 1 << (32 - ip.network(cidr)[1])
    name = cidr.replace(".", "-").replace("/", "-")
    spec = {
        "affinity": f"host:{node}",
        "allocations": [None] * size,
        "attributes": [],
        "cidr": cidr,
        "deleted": False,
        "strictAffinity": False,
        "unallocated": list(range(size)),
    }
    affinity = {"cidr": cidr, "deleted": "false", "node": node, "state": "confirmed"}
    yield from create(world, AFFINITIES, "BlockAffinity", f"{node}-{name}", affinity)
    yield from create(world, BLOCKS, "IPAMBlock", name, spec)


def create(world: World, table: str, kind: str, name: str, spec: Obj) -> Commands:
    """A custom resource of Calico's appears in the API."""
    metadata = {
        "name": name,
        "uid": uid(world, table, name),
        "creationTimestamp": timestamp(world.clock),
        "resourceVersion": str(world.revision),
    }
    obj = {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata, "spec": spec}
    yield Put(("api", table, name), obj)


def _key(table: str, obj: Obj) -> Key:
    return ("api", table, obj["metadata"]["name"])


def _size(pool: Obj) -> int:
    return int(pool["spec"].get("blockSize") or 26)


def _round(pool: Obj, node: str) -> Iterator[str]:
    """Every block of a pool once, beginning where the node's name says (``randomBlockGenerator``)."""
    (base, prefix), size = ip.network(pool["spec"]["cidr"]), _size(pool)
    number = 1 << (size - prefix)
    first = int(digest("block", node, size), 16) % number
    for turn in range(number):
        yield f"{ip.text(base + ((first + turn) % number << 32 - size))}/{size}"
