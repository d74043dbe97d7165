"""The ``bridge`` plugin: a cable from the pod to a bridge on its node.

ADD makes the bridge if there is none, pulls a veth pair (the pod's end is CNI_IFNAME, the host's ``veth`` and eight
digits), makes the host's end a port, and asks the IPAM plugin for addresses. With ``isGateway`` the bridge gets the
gateways' addresses and the node forwards::

    pod: eth0 10.1.0.2/24 ─── veth1a2b3c4d ─ cni0 10.1.0.1/24 ─ (the node's routes)

With ``vlan`` the bridge filters: the port is in that VLAN (and, untagged, in VLAN 1 too, unless
``preserveDefaultVlan`` is false), and the gateway is a further cable, ``cni0.100``; ``vlanTrunk`` names VLANs whose
frames come to the pod with their tags (both since 1.3: held against its source). DEL takes away the cable, the lease,
and with ``ipMasq`` the chain of `k8slearn.cni.ipmasq`. The bridge stays for ever, and so does ``ip_forward``. A DEL
that finds no cable does not look for the chain any more.

Left out: ``macspoofchk`` (refused), waiting for a port whose bridge runs spanning tree, ``accept_ra``, ``arp_notify``.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from k8slearn.cni import iface, ipmasq, spec, veth
from k8slearn.cni.plugins.bridge.check import check
from k8slearn.cni.plugins.bridge.config import Config, load
from k8slearn.cni.skel import Args, Printed, delegate, kernel_words, open_netns, plugin
from k8slearn.cni.spec import CniError
from k8slearn.cni.veth import Cable
from k8slearn.errors import CommandError
from k8slearn.journal import Command, Commands, Put
from k8slearn.linux import addr, ip, link, setting, switch, vlanfilter
from k8slearn.linux.rows import Fdb, Link


def _add(args: Args) -> Printed:
    config = load(args)
    if config.hairpin and config.promisc:
        raise CniError("cannot set hairpin mode and promiscuous mode at the same time.")
    bridge = yield from _bridge(args, config)
    cable = yield from _plugged(args, config, _netns(args), args.ifname, config.mtu, config.mac)
    result: spec.Result = {"interfaces": []}
    if config.ipam:
        try:
            result = yield from _layer3(args, config, bridge, cable)
        except (CniError, CommandError):
            yield from delegate(args, config.ipam, "DEL")
            raise
    else:
        yield from _up(args, config, cable, link.set_up(args.world, cable.netns, args.ifname))
    now = link.find(args.world, args.node, config.bridge)
    interfaces = [
        {"name": now.name, "mac": now.mac},
        {"name": cable.host.name, "mac": cable.host.mac},
        {"name": args.ifname, "mac": cable.pod.mac, "sandbox": args.netns_path},
        *result["interfaces"],
    ]
    return spec.printed({**result, "interfaces": interfaces, "dns": config.dns}, args.version)


def _netns(args: Args) -> str:
    try:
        return open_netns(args.world, args.node, args.netns_path)
    except CniError as error:
        raise CniError(f'failed to open netns "{args.netns_path}": {error}') from None


def _bridge(args: Args, config: Config) -> Generator[Command, None, Link]:
    """ensureBridge(): the bridge as it stands before the pod's cable is plugged in; made, if need be, and up."""
    world, node, name = args.world, args.node, config.bridge
    there: Link | None = world.get(link.key(node, name))
    if there is None:
        filters = config.vlan or config.trunk is not None
        settings = switch.with_settings(switch.DEFAULT, {"vlan_filtering": 1}) if filters else None
        try:
            veth.check_mtu(config.mtu, "bridge")
            yield from link.add(world, node, name, "bridge", max(config.mtu, 0) or 1500, spec=settings)
        except CommandError as error:
            words = f'could not add "{name}": {kernel_words(error)}'
            raise CniError(f'failed to create bridge "{name}": {words}') from None
    elif there.kind != "bridge":
        raise CniError(f'failed to create bridge "{name}": "{name}" already exists but is not a bridge')
    if config.promisc:
        yield from link.set_promisc(world, node, name, True)
    yield from link.set_up(world, node, name)
    return link.find(world, node, name)


def _plugged(
    args: Args, config: Config, netns: str, name: str, mtu: int, mac: str = ""
) -> Generator[Command, None, Cable]:
    """setupVeth(): a cable to `netns` whose other end is a port of the bridge."""
    world, node = args.world, args.node
    cable = yield from veth.set_up(args, netns, name, mtu, mac)
    host = cable.host.name
    yield from link.set_master(world, node, host, config.bridge)
    if config.hairpin and name == args.ifname:
        yield from link.set_hairpin(world, node, host, True)
    yield from _in_vlans(args, config, host, config.trunk if name == args.ifname else ())
    return cable


def _in_vlans(args: Args, config: Config, host: str, trunk: tuple[int, ...] | None) -> Commands:
    """The port's own VLAN, without a tag to the pod, and those that the pod sees with their tags."""
    world, node = args.world, args.node
    own = config.vlan or (1 if trunk else 0)
    if own and not config.preserve_default_vlan:
        for vlan in vlanfilter.of_port(link.find(world, node, config.bridge), link.find(world, node, host)):
            yield from vlanfilter.delete(world, node, host, range(vlan.vid, vlan.vid + 1), own=False)
    for vid in trunk or ():
        yield from vlanfilter.add(world, node, host, range(vid, vid + 1), pvid=False, untagged=False, own=False)
    if own:
        yield from vlanfilter.add(world, node, host, range(own, own + 1), pvid=True, untagged=True, own=False)


def _up(args: Args, config: Config, cable: Cable, commands: Commands) -> Commands:
    """The pod's end comes up, and its kernel greets the neighbours: the bridge learns its MAC."""
    yield from commands
    row = Fdb(config.bridge, cable.pod.mac, cable.host.name, updated=args.world.clock)
    yield Put((args.node, "fdb", (config.bridge, cable.pod.mac)), row)


def _layer3(args: Args, config: Config, bridge: Link, cable: Cable) -> Generator[Command, None, spec.Result]:
    """Addresses from the IPAM plugin and routes in the pod, the gateways on the bridge, masquerading."""
    result = yield from delegate(args, config.ipam)
    if not result.get("ips"):
        raise CniError("IPAM plugin returned missing IP config")
    ips = [{"interface": 2, **_with_gateway(entry, config)} for entry in result["ips"]]
    routes = _with_defaults(config, ips, list(result.get("routes") or ()))
    if config.enable_dad and any(":" in entry["address"] for entry in ips):
        yield from setting.write(args.world, cable.netns, f"net.ipv6.conf.{args.ifname}.accept_dad", "1")
    yield from _up(args, config, cable, iface.address(args, cable.netns, ips))
    yield from iface.add_routes(args, cable.netns, ips, routes)
    interfaces: list[Any] = []
    if config.is_gateway:
        interfaces = yield from _gateways(args, config, bridge, ips)
    for entry in ips if config.ip_masq else ():
        yield from ipmasq.set_up(args, entry["address"])
    return {"interfaces": interfaces, "ips": ips, "routes": routes}


def _with_gateway(entry: spec.Result, config: Config) -> spec.Result:
    """An address without a gateway gets its network's first address as one, if this is a gateway at all."""
    if entry.get("gateway") or not config.is_gateway:
        return entry
    base, _ = ip.network(entry["address"])
    return {**entry, "gateway": ip.text(base + 1, ip.bits(entry["address"]))}


def _with_defaults(config: Config, ips: list[Any], routes: list[Any]) -> list[Any]:
    """calcGateways(): with isDefaultGateway each family gets a default route, unless one with a gateway is there."""
    for everywhere in (ip.ANY, ip.ANY6) if config.is_default_gateway else ():
        mine = [entry for entry in ips if (":" in entry["address"]) == (":" in everywhere)]
        if mine and not any(r.get("gw") and r["dst"] == everywhere for r in routes):
            routes.append({"dst": everywhere, "gw": mine[0]["gateway"]})
    return routes


def _gateways(args: Args, config: Config, bridge: Link, ips: list[Any]) -> Generator[Command, None, list[Any]]:
    """The gateways' addresses on the bridge (or on its cable into the VLAN); returns the interfaces that this added."""
    added: list[Any] = []
    for six in (False, True):
        mine = [entry for entry in ips if (":" in entry["address"]) == six]
        for entry in mine:
            on, doing = bridge, "failed to set bridge addr"
            if config.vlan:
                on = yield from _vlan_gateway(args, config, bridge)
                doing = "failed to set vlan interface for bridge with addr"
                added = [{"name": on.name, "mac": on.mac}]
            prefix = entry["address"].partition("/")[2]
            try:
                yield from _ensure_address(args, config, on, f"{entry['gateway']}/{prefix}")
            except CniError as error:
                raise CniError(f"{doing}: {error.msg}") from None
        for entry in mine[:1]:
            yield from iface.forward(args, entry["address"])
    return added


def _vlan_gateway(args: Args, config: Config, bridge: Link) -> Generator[Command, None, Link]:
    """ensureVlanInterface(): ``cni0.100``, a cable from the node to a port of that VLAN."""
    name = f"{bridge.name}.{config.vlan}"
    there: Link | None = args.world.get(link.key(args.node, name))
    if there is None:
        try:
            yield from _plugged(args, config, args.node, name, bridge.mtu)
        except CniError as error:
            words = f'faild to create vlan gateway "{name}": {error.msg}'
            raise CniError(f"failed to create vlan interface: {words}") from None
        yield from link.set_up(args.world, args.node, name)
    return link.find(args.world, args.node, name)


def _ensure_address(args: Args, config: Config, on: Link, cidr: str) -> Commands:
    """ensureAddr(): one address; with it the bridge's MAC is set to what it was before this cable.

    (A bridge whose last port has gone has no MAC: the real plugin stumbles over that as well, once.)
    """
    world, node = args.world, args.node
    for row in addr.on(world, node, on.name, "ip6" if ":" in cidr else "ip"):
        if row.cidr == cidr:
            return
        if ":" not in cidr or ip.within(cidr.partition("/")[0], row.cidr) or ip.within(row.address, cidr):
            if not config.force_address:
                raise CniError(f'"{on.name}" already has an IP address different from {cidr}')
            yield from addr.delete(world, node, on.name, row.cidr)
    try:
        yield from addr.add(world, node, on.name, cidr, broadcast="" if ":" in cidr else "+")
    except CommandError as error:
        raise CniError(f'could not add IP address to "{on.name}": {kernel_words(error)}') from None
    if on.mac == link.NO_MAC:
        raise CniError("could not set bridge's mac: invalid argument")
    yield from link.set_mac(world, node, on.name, on.mac)


def _delete(args: Args) -> Commands:
    config = load(args)
    held: list[str] = []
    if args.netns_path:
        try:
            netns = open_netns(args.world, args.node, args.netns_path)
        except CniError:
            netns = ""
        held = (yield from veth.remove(args.world, netns, args.ifname)) if netns else []
    if config.ipam:
        yield from delegate(args, config.ipam)
    for cidr in held if config.ipam and config.ip_masq else ():
        yield from ipmasq.tear_down(args, cidr)


def _check(args: Args) -> Commands:
    config = load(args)
    netns = _netns(args)
    yield from delegate(args, config.ipam)
    result = args.previous
    if result is None:
        raise CniError("Required prevResult missing")
    check(args, config, result, netns)


bridge = plugin("bridge", _add, _delete, _check)
