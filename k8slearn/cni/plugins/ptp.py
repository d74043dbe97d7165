"""The ``ptp`` plugin: a cable from the pod to its node, and no bridge: the node routes between its pods.

veth knows no point-to-point links, so the pod has an address with its network's mask, but the connected route is taken
away and everything, the own network too, goes by the gateway; that address sits, as /32, on the node's end of every
pod's cable, and the node has a host route for each pod::

    pod: eth0 10.1.0.2/24                       node: veth1a2b3c4d 10.1.0.1/32
         10.1.0.1 dev eth0 scope link                 10.1.0.2 dev veth1a2b3c4d scope host
         10.1.0.0/24 via 10.1.0.1

DEL takes away the lease, the cable with its routes, and with ``ipMasq`` the chain of `k8slearn.cni.ipmasq`.

Left out: nothing.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from k8slearn.cni import iface, ipmasq, spec, veth
from k8slearn.cni.decode import BOOL, INT, NETCONF, Struct
from k8slearn.cni.skel import Args, Printed, delegate, kernel_words, load, open_netns, plugin
from k8slearn.cni.spec import CniError
from k8slearn.cni.veth import Cable
from k8slearn.errors import CommandError
from k8slearn.journal import Commands
from k8slearn.linux import addr, ip, link, route
from k8slearn.linux.rows import Link, Route


class Config(NamedTuple):
    """The plugin's own fields."""

    ip_masq: bool
    mtu: int
    ipam: str
    dns: dict[str, Any]


def _add(args: Args) -> Printed:
    config = _config(args.call.stdin)
    result = yield from delegate(args, config.ipam)
    if not result.get("ips"):
        raise CniError("IPAM plugin returned missing IP config")
    try:
        return (yield from _wire(args, config, result))
    except (CniError, CommandError):
        yield from delegate(args, config.ipam, "DEL")
        raise


def _wire(args: Args, config: Config, result: spec.Result) -> Printed:
    ips = [{"interface": 1, **entry} for entry in result["ips"]]
    routes = result.get("routes") or []
    for entry in ips:
        yield from iface.forward(args, entry["address"])
    cable = yield from veth.set_up(args, _netns(args), args.ifname, config.mtu)
    yield from iface.address(args, cable.netns, ips)
    yield from iface.add_routes(args, cable.netns, ips, routes)
    for entry in ips:
        yield from _by_gateway(args, cable, entry)
    for entry in ips:
        yield from _host_end(args, cable, entry)
    for entry in ips if config.ip_masq else ():
        yield from ipmasq.set_up(args, entry["address"])
    interfaces = [
        {"name": cable.host.name, "mac": cable.host.mac},
        {"name": args.ifname, "mac": cable.pod.mac, "sandbox": args.netns_path},
    ]
    dns = config.dns or result.get("dns")
    return spec.printed({"interfaces": interfaces, "ips": ips, "routes": routes, "dns": dns}, args.version)


def _netns(args: Args) -> str:
    try:
        return open_netns(args.world, args.node, args.netns_path)
    except CniError as error:
        raise CniError(f'failed to open netns "{args.netns_path}": {error}') from None


def _by_gateway(args: Args, cable: Cable, entry: spec.Result) -> Commands:
    """setupContainerVeth(): the pod's own network is behind the gateway, and only that one is on the cable."""
    world, netns, name = args.world, cable.netns, args.ifname
    address, _, prefix = entry["address"].partition("/")
    gateway, network = entry.get("gateway", ""), ip.network_of(address, int(prefix))
    try:
        yield from route.delete(world, netns, network, dev=name)
    except CommandError as error:
        shown = _shown(cable.pod, network, "", "")
        raise CniError(f"failed to delete route {shown}: {kernel_words(error)}") from None
    for dst, scope, via in (
        (ip.network_of(gateway, ip.bits(gateway)), "link", ""),
        (network, "global", gateway),
    ):
        try:
            yield from route.add(world, netns, Route(dst, via=via, dev=name, src=address, scope=scope))
        except CommandError as error:
            shown = _shown(cable.pod, dst, address, via)
            raise CniError(f"failed to add route {shown}: {kernel_words(error)}") from None


def _shown(pod: Link, dst: str, src: str, via: str) -> str:
    """A route as the netlink library prints it."""
    ends = f"Src: {src or '<nil>'} Gw: {via or '<nil>'}"
    return f"{{Ifindex: {pod.index} Dst: {dst} {ends} Flags: [] Table: 0 Realm: 0}}"


def _host_end(args: Args, cable: Cable, entry: spec.Result) -> Commands:
    """setupHostVeth(): the gateway's address on the node's end, and the way to the pod."""
    world, node, host = args.world, args.node, cable.host.name
    address, gateway = entry["address"].partition("/")[0], entry["gateway"]
    width = ip.bits(address)
    yield from addr.add(world, node, host, f"{gateway}/{width}")
    yield from route.add(world, node, Route(f"{address}/{width}", dev=host, scope="host"))


def _delete(args: Args) -> Commands:
    config = _config(args.call.stdin)
    yield from delegate(args, config.ipam)
    if not args.netns_path:
        return
    try:
        netns = open_netns(args.world, args.node, args.netns_path)
    except CniError:
        return
    held = yield from veth.remove(args.world, netns, args.ifname)
    failed: CniError | None = None
    for cidr in held if config.ip_masq else ():
        try:
            yield from ipmasq.tear_down(args, cidr)
            failed = None
        except CniError as error:
            failed = error
    if failed is not None:
        raise failed


def _check(args: Args) -> Commands:
    config = _config(args.call.stdin)
    netns = _netns(args)
    yield from delegate(args, config.ipam)
    result = args.previous
    if result is None:
        raise CniError("ptp: Required prevResult missing")
    _check_pod(args, netns, iface.of_container(args, result))
    iface.check_addresses(args, netns, result.get("ips") or ())
    iface.check_routes(args, netns, result.get("routes") or ())


def _check_pod(args: Args, netns: str, said: spec.Result) -> None:
    name = said["name"]
    found: Link | None = args.world.get(link.key(netns, name))
    if found is None:
        raise CniError(f"ptp: Container Interface name in prevResult: {name} not found")
    if found.kind != "veth":
        raise CniError(f"Error: Container interface {name} not of type veth/p2p")
    if said.get("mac") not in (None, "", found.mac):
        raise CniError(f"ptp: Interface {name} Mac {said['mac']} doesn't match container Mac: {found.mac}")


@lru_cache(maxsize=1024)
def _config(stdin: str) -> Config:
    raw = load(stdin, _NETCONF, "failed to load netconf")
    return Config(raw.get("ipMasq", False), raw.get("mtu", 0), raw.get("ipam", {}).get("type", ""), raw.get("dns", {}))


_NETCONF = Struct("main.NetConf", {**NETCONF, "ipMasq": BOOL, "mtu": INT})
ptp = plugin("ptp", _add, _delete, _check)
