"""The ``bandwidth`` plugin: how fast a container may receive and send, and how much at once.

Kubernetes takes the numbers from a pod's annotations (``kubernetes.io/ingress-bandwidth: 10M``) and hands them over as
the capability ``bandwidth``: rates in bits a second, bursts in bits. A device can only hold back what it sends, so what
the container *receives* is queued where its cable leaves the node, and what it *sends* is led, as it comes in there,
through a device ``bwp...`` of its own (`linux/ingress.py`, `linux/ifb.py`)::

    ingressRate   node ── tbf on vethX ──────────────────────────────────> eth0
    egressRate    node <── (vethX again) ── tbf on bwpY <── filter ── vethX <── eth0

Who waits longer than 25 ms is dropped in life: the queue's limit is what the rate sends in that time, and a burst. DEL
takes the ``bwp`` device away; the queues go with the cable.

Left out: classes (``shapedSubnets``, of 1.6.0), a rate of less than 8 bits a second, and that the real plugin crashes
without ``prevResult`` or, at CHECK, without numbers.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from k8slearn.cni import chains, spec, veth
from k8slearn.cni.decode import NETCONF, UINT64, Kind, Struct
from k8slearn.cni.skel import Args, Printed, kernel_words, load, open_netns, plugin, previous_of
from k8slearn.cni.spec import CniError
from k8slearn.errors import CommandError
from k8slearn.journal import Commands
from k8slearn.linux import ingress, link, qdisc
from k8slearn.linux.device import peer_of
from k8slearn.linux.qdisc import Tbf
from k8slearn.linux.rows import Link

TICKS = 15.625
"""Of the kernel's packet scheduler in a microsecond (/proc/net/psched)."""
MICRO = 1_000_000
LATENCY = 25_000
"""Microseconds that a packet may wait."""
LONGEST = 1 << 32


class Limits(NamedTuple):
    """Bits a second and bits at once, in the container's own direction; 0: no limit."""

    ingress: tuple[int, int]
    egress: tuple[int, int]


def _add(args: Args) -> Printed:
    limits = _limits(args.call.stdin)
    result = previous_of(args, "must be called as chained plugin")
    if not any(limits.ingress + limits.egress):
        return spec.printed(result, args.version)
    host = _host_interface(args, result)
    if limits.ingress[0]:
        yield from _shape(args, host.name, limits.ingress, "create qdisc")
    if limits.egress[0]:
        name = _ifb(args)
        yield from _lead(args, host, name, limits.egress)
        added = {"name": name, "mac": link.find(args.world, args.node, name).mac}
        result["interfaces"] = [*result["interfaces"], added]
    return spec.printed(result, args.version)


def _host_interface(args: Args, result: spec.Result) -> Link:
    """getHostInterface(): the other end of the container's cable, which the result must name."""
    try:
        netns = open_netns(args.world, args.node, args.netns_path)
    except CniError as error:
        raise CniError(f"failed to open netns %!q(<nil>): {error}") from None
    interfaces, name = result.get("interfaces") or [], args.ifname
    if not interfaces:
        raise CniError("no interfaces provided")
    pod: Link | None = args.world.get(link.key(netns, name))
    if pod is None:
        why = f'could not look up "{name}": Link not found'
        raise CniError(f"container interface {name} has no veth peer: {why}")
    if pod.kind != "veth":
        why = f'interface "{name}" was not a veth interface'
        raise CniError(f"container interface {name} has no veth peer: {why}")
    found = peer_of(args.world, pod)
    if found is None or pod.peer != (args.node, found.name):
        raise CniError(f"veth peer with index {found.index if found else 0} is not in host ns")
    if not any(i["name"] == found.name and not i.get("sandbox") for i in interfaces):
        raise CniError("no veth peer of container interface found in host ns")
    return found


def _lead(args: Args, host: Link, name: str, limit: tuple[int, int]) -> Commands:
    """CreateIfb() and CreateEgressQdisc(): what comes in from the container goes through a device of its own."""
    world, node = args.world, args.node
    try:
        yield from link.add(world, node, name, "ifb", host.mtu, up=True, opened=True, txqlen=0)
    except CommandError as error:
        raise CniError(f"adding link: {kernel_words(error)}") from None
    try:
        yield from qdisc.add_ingress(world, node, host.name)
    except CommandError as error:
        raise CniError(f"create ingress qdisc: {kernel_words(error)}") from None
    yield from ingress.add(world, node, host.name, 1, "all", name, "1:1")
    yield from _shape(args, name, limit, "create ifb qdisc: create qdisc")


def _shape(args: Args, dev: str, limit: tuple[int, int], doing: str) -> Commands:
    try:
        yield from qdisc.set_root(args.world, args.node, dev, bucket(*limit))
    except CommandError as error:
        raise CniError(f"{doing}: {kernel_words(error)}") from None


def bucket(rate: int, burst: int) -> Tbf:
    """createTBF(): the queue for so many bits a second and so many bits at once, in whole bytes and scheduler ticks."""
    speed, size = rate // 8, burst // 8
    ticks = int(int(size * MICRO / speed) % LONGEST * TICKS) % LONGEST
    fill = int(ticks / TICKS)
    return Tbf("1:", speed * 8, int(speed * fill / MICRO), (int(speed * LATENCY / MICRO) + size) % LONGEST, fill)


def _ifb(args: Args) -> str:
    return chains.name_of("bwp", args.name, args.container_id, 15)


def _delete(args: Args) -> Commands:
    _limits(args.call.stdin)
    yield from veth.remove(args.world, args.node, _ifb(args))


def _check(args: Args) -> Commands:
    limits = _limits(args.call.stdin)
    host = _host_interface(args, previous_of(args, "must be called as a chained plugin"))
    if limits.ingress[0]:
        _check_queue(args, host.name, limits.ingress)
    if limits.egress[0]:
        if args.world.get(link.key(args.node, _ifb(args))) is None:
            raise CniError("get ifb device: Link not found")
        _check_queue(args, _ifb(args), limits.egress)
    yield from ()


def _check_queue(args: Args, dev: str, limit: tuple[int, int]) -> None:
    """A queue of another kind is let pass."""
    row, wanted = args.world.get(qdisc.key(args.node, dev)), bucket(*limit)
    if isinstance(row, Tbf):
        for what, here, there in (
            ("Rate", row.rate, wanted.rate),
            ("Limit", row.limit, wanted.limit),
            ("Buffer", row.fill, wanted.fill),
        ):
            if here != there:
                raise CniError(f"{what} doesn't match")


@lru_cache(maxsize=1024)
def _limits(stdin: str) -> Limits:
    """What the configuration itself says, or else the runtime. Raises CniError."""
    raw = load(stdin, _CONF, "failed to parse network configuration")
    given = raw if raw.keys() & _ENTRY.keys() else raw.get("runtimeConfig", {}).get("bandwidth", {})
    numbers = [given.get(field, 0) for field in _ENTRY]
    for rate, burst in (numbers[:2], numbers[2:]):
        _check_pair(rate, burst)
    return Limits((numbers[0], numbers[1]), (numbers[2], numbers[3]))


_ENTRY: dict[str, Kind] = dict.fromkeys(("ingressRate", "ingressBurst", "egressRate", "egressBurst"), UINT64)
_RUNTIME = Struct("struct { Bandwidth *main.BandwidthEntry }", {"bandwidth": Struct("main.BandwidthEntry", _ENTRY)})
_CONF = Struct("main.PluginConf", {**NETCONF, **_ENTRY, "runtimeConfig": _RUNTIME})


def _check_pair(rate: int, burst: int) -> None:
    if rate and not burst:
        raise CniError("if rate is set, burst must also be set")
    if burst and not rate:
        raise CniError("if burst is set, rate must also be set")
    if burst // 8 >= LONGEST - 1:
        raise CniError("burst cannot be more than 4GB")


bandwidth = plugin("bandwidth", _add, _delete, _check, versions=spec.VERSIONS[2:])
