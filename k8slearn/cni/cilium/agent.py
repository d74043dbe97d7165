"""What the agent on a node does for the plugin ``cilium-cni``: addresses and endpoints (its socket cilium.sock).

The plugin builds the cable; all else it asks the agent for. An **address** comes out of the node's own pod range, which
the operator has given it: in life a random free one, here a derived one. An **endpoint** is what the agent knows of a
pod: its number, its device, its identity. Making one writes the map ``cilium_lxc`` and hangs the program to the
device; from then on packets flow. Who the pod is (its labels) the agent finds out next; until then it is ``init``.

When the agent does not answer, a deletion is left in a queue on disk, which the agent works off at its next start.

Sources: daemon/restapi (ipam, endpoint), pkg/ipam/allocator, pkg/endpoint, plugins/cilium-cni/lib/deletion_queue.go.

Left out: addresses that nobody claimed and that expire, pools (``ipam: multi-pool``), endpoints' own directories below
/var/run/cilium/state, policy's regeneration.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

from k8slearn.cni import cri
from k8slearn.cni.cilium import datapath, identity, maps
from k8slearn.journal import Command, Commands, Put, Remove, World, digest
from k8slearn.linux import bpf, ip, link
from k8slearn.linux.rows import Link

PROGRAM = "cilium-agent"
SOCKET = "/var/run/cilium/cilium.sock"
QUEUE = "/var/run/cilium/deleteQueue/"
ADDRESSES, ENDPOINTS = "cilium_ipam", "cilium_endpoint"
HOST_ID = 1
"""The number of the endpoint that is the machine itself."""
LAST_ID = 4095
"""Endpoints' numbers are small at first (pkg/endpointmanager: ``maxID``)."""


@dataclass(frozen=True, slots=True)
class Held:
    """Who has an address: a pod, or the node itself (``router``)."""

    owner: str
    container: str = ""


ROUTER = Held("router")


@dataclass(frozen=True, slots=True)
class Known:
    """What the agent knows of a pod on its machine."""

    id: int
    container: str
    ifname: str
    address: str
    device: str
    pod: str = ""
    identity: int = identity.INIT
    created: float = 0.0

    @property
    def state(self) -> str:
        return "waiting-for-identity" if self.identity == identity.INIT and self.pod else "ready"


def answers(world: World, node: str) -> bool:
    """Does the agent run here, and is it through with its start?"""
    return cri.runs(world, node, PROGRAM) and maps.config(world, node) is not None


# --- addresses ---------------------------------------------------------------------------------

Address = Generator[Command, None, str]


def allocate(world: World, node: str, cidr: str, who: Held, asked: str = "") -> Address:
    """An address out of a range for somebody; empty: there is none."""
    held = world.table(node, ADDRESSES)
    if asked:
        if asked in held or identity_of(world, asked):
            return ""
        yield Put((node, ADDRESSES, asked), who)
        return asked
    base, prefix = ip.network(cidr)
    size = (1 << (32 - prefix)) - 2
    first = int(digest("ipam", node, who.owner), 16) % size
    for n in range(size):
        address = ip.text(base + 1 + (first + n) % size)
        if address not in held:
            yield Put((node, ADDRESSES, address), who)
            return address
    return ""


def identity_of(world: World, address: str) -> str:
    """The pod elsewhere that has this address, by its CiliumEndpoint; empty: none."""
    rows = world.table("api", CILIUM_ENDPOINTS)
    return next((str(name) for name, row in rows.items() if address_of(row) == address), "")


CILIUM_ENDPOINTS = "ciliumendpoints.cilium.io"
CILIUM_NODES = "ciliumnodes.cilium.io"


def address_of(row: dict[str, object]) -> str:
    """The address in a CiliumEndpoint."""
    status = row.get("status")
    networking = status.get("networking") if isinstance(status, dict) else None
    addressing = networking.get("addressing") if isinstance(networking, dict) else None
    return str(addressing[0].get("ipv4", "")) if addressing else ""


def release(world: World, node: str, address: str) -> Commands:
    """The address is free again."""
    if world.get((node, ADDRESSES, address)) is not None:
        yield Remove((node, ADDRESSES, address))


# --- endpoints ---------------------------------------------------------------------------------


def endpoints(world: World, node: str) -> Iterator[Known]:
    """What the agent of a machine knows, by number."""
    rows = world.table(node, ENDPOINTS)
    yield from (rows[number] for number in sorted(rows, key=int))  # type: ignore[arg-type]


def find(world: World, node: str, container: str, ifname: str) -> Known | None:
    """The endpoint of a container's interface."""
    rows = endpoints(world, node)
    return next((row for row in rows if (row.container, row.ifname) == (container, ifname)), None)


def create(world: World, node: str, known: Known, mac: str) -> Commands:
    """``PUT /endpoint/cni-attachment-id:CONTAINER:IFNAME``: it is known, it is in the map, its program hangs there."""
    rows = world.table(node, ENDPOINTS)
    first = int(digest("endpoint", known.container, known.ifname), 16) % LAST_ID
    number = next(n for n in _from(first) if n != HOST_ID and str(n) not in rows)
    yield Put((node, ENDPOINTS, str(number)), replace(known, id=number, created=world.clock))
    host: Link = link.find(world, node, known.device)
    row = maps.Endpoint(number, known.identity, host.index, mac, host.mac)
    yield Put((node, maps.LXC, known.address), row)
    yield from bpf.attach(node, known.device, "ingress", datapath.FROM_CONTAINER)


def _from(first: int) -> Iterator[int]:
    """All numbers, beginning with one of them."""
    return (n % LAST_ID + 1 for n in range(first, first + LAST_ID))


def delete(world: World, node: str, known: Known) -> Commands:
    """The endpoint goes, and its address with it. The device goes with the pod's namespace, or is taken away here."""
    for name in [name for name in world.table(node, maps.POLICY) if isinstance(name, tuple) and name[0] == known.id]:
        yield Remove((node, maps.POLICY, name))
    if world.get((node, maps.LXC, known.address)) is not None:
        yield Remove((node, maps.LXC, known.address))
    if world.get(link.key(node, known.device)) is not None:
        yield from bpf.detach(world, node, known.device)
        yield from link.delete(world, node, known.device)
    yield Remove((node, ENDPOINTS, str(known.id)))
    yield from release(world, node, known.address)


def forget(world: World, node: str, container: str, ifname: str) -> Commands:
    """``DELETE /endpoint``: the container's endpoint goes; and an address that it got before it was one."""
    known = find(world, node, container, ifname)
    if known is not None:
        yield from delete(world, node, known)
    for address in [str(a) for a, held in world.table(node, ADDRESSES).items() if held.container == container]:
        yield from release(world, node, address)


def enqueue(node: str, container: str, ifname: str) -> Commands:
    """The agent does not answer: the deletion is written down for it."""
    yield Put(
        (node, "file", f"{QUEUE}{digest('delete', container, ifname, length=16)}.delete"), f"{container}:{ifname}"
    )


def work_off(world: World, node: str) -> Commands:
    """At its start the agent does what was left in the queue."""
    files = {str(path): text for path, text in world.table(node, "file").items() if str(path).startswith(QUEUE)}
    for path, text in files.items():
        container, _, ifname = str(text).partition(":")
        yield from forget(world, node, container, ifname)
        yield Remove((node, "file", path))
