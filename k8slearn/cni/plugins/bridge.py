"""The ``bridge`` plugin: a cable from the pod to a bridge on its node.

ADD makes the bridge if there is none, pulls a veth pair (the pod's end is CNI_IFNAME, the host's ``veth`` and eight
digits), makes the host's end a port, and asks the IPAM plugin for an address. With ``isGateway`` the bridge gets the
gateway's address and the node forwards. DEL takes away the cable and the lease; the bridge stays for ever, and so
does ``ip_forward``.

Left out: IPv6, VLANs, ``preserveDefaultVlan``, ``macspoofchk``, duplicate address detection.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from k8slearn.cni import chains, spec
from k8slearn.cni.skel import Args, Printed, configuration, delegate, kernel_words, open_netns, plugin, typed
from k8slearn.cni.spec import CniError
from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Put, digest
from k8slearn.linux import addr, ip, link, route
from k8slearn.linux.rows import Fdb, Link, Route

EVERYWHERE = "0.0.0.0/0"


class Config(NamedTuple):
    """The plugin's own fields, with its defaults."""

    bridge: str
    is_gateway: bool
    is_default_gateway: bool
    force_address: bool
    ip_masq: bool
    mtu: int
    hairpin: bool
    promisc: bool
    vlan: int
    ipam: str
    dns: Mapping[str, Any]


class Cable(NamedTuple):
    """A veth pair: the bridge's end and the pod's."""

    host: Link
    pod: Link
    netns: str


def _add(args: Args) -> Printed:
    config = _config(args.call.stdin)
    if config.hairpin and config.promisc:
        raise CniError("cannot set hairpin mode and promiscuous mode at the same time.")
    bridge = yield from _bridge(args, config)
    try:
        netns = open_netns(args.world, args.node, args.netns_path)
    except CniError as error:
        raise CniError(f'failed to open netns "{args.netns_path}": {error}') from None
    cable = yield from _cable(args, config, netns)
    result: spec.Result = {}
    if config.ipam:
        try:
            result = yield from _address(args, config, bridge, cable)
        except (CniError, CommandError):
            yield from delegate(args, config.ipam, "DEL")
            raise
    now = link.find(args.world, args.node, config.bridge)
    result["interfaces"] = [
        {"name": now.name, "mac": now.mac},
        {"name": cable.host.name, "mac": cable.host.mac},
        {"name": args.ifname, "mac": cable.pod.mac, "sandbox": args.netns_path},
    ]
    return spec.printed({**result, "dns": config.dns}, args.version)


def _bridge(args: Args, config: Config) -> Any:
    """The bridge as it stands before the pod's cable is plugged in: made, if need be, and up."""
    world, node, name = args.world, args.node, config.bridge
    if config.vlan:
        raise CniError(f'failed to create bridge "{name}": could not add "{name}": operation not supported')
    there: Link | None = world.get(link.key(node, name))
    if there is None:
        yield from link.add_bridge(world, node, name, config.mtu or 1500)
    elif there.kind != "bridge":
        raise CniError(f'failed to create bridge "{name}": "{name}" already exists but is not a bridge')
    if config.promisc:
        yield from link.set_promisc(world, node, name, True)
    yield from link.set_up(world, node, name)
    return link.find(world, node, name)


def _cable(args: Args, config: Config, netns: str) -> Any:
    """The veth pair, plugged in. Once it is up the pod's kernel greets its neighbours: the bridge learns its MAC."""
    world, node = args.world, args.node
    if world.get(link.key(netns, args.ifname)) is not None:
        raise CniError(f"container veth name provided ({args.ifname}) already exists")
    host = _free_name(args)
    yield from link.add_veth(world, netns, args.ifname, node, host, config.mtu or 1500)
    yield from link.set_up(world, netns, args.ifname)
    yield from link.set_up(world, node, host)
    yield from link.set_master(world, node, host, config.bridge)
    if config.hairpin:
        yield from link.set_hairpin(world, node, host, True)
    cable = Cable(link.find(world, node, host), link.find(world, netns, args.ifname), netns)
    yield Put(
        (node, "fdb", (config.bridge, cable.pod.mac)), Fdb(config.bridge, cable.pod.mac, host, updated=world.clock)
    )
    return cable


def _free_name(args: Args) -> str:
    """``veth`` and eight digits: random in life, derived here."""
    links, tries = args.world.table(args.node, "link"), 0
    while (name := "veth" + digest(args.node, args.container_id, args.name, args.ifname, tries)) in links:
        tries += 1
    return name


def _address(args: Args, config: Config, bridge: Link, cable: Cable) -> Any:
    """Layer 3: an address from the IPAM plugin, routes in the pod, the gateway on the bridge."""
    result = yield from delegate(args, config.ipam)
    if not result.get("ips"):
        raise CniError("IPAM plugin returned missing IP config")
    ips = [{"interface": 2, **_with_gateway(entry, config)} for entry in result["ips"]]
    gateway = next((entry["gateway"] for entry in ips if entry.get("gateway")), "")
    routes = list(result.get("routes") or ())
    defaults = [r for r in routes if r.get("gw") and r["dst"] == EVERYWHERE]
    if config.is_default_gateway and not defaults:
        routes.append({"dst": EVERYWHERE, "gw": gateway})
    yield from _configure(args, cable, ips, routes, gateway)
    if config.is_gateway:
        for entry in ips:
            prefix = entry["address"].partition("/")[2]
            yield from _bridge_address(args, config, bridge, f"{entry['gateway']}/{prefix}")
        yield Put((args.node, "sysctl", "net.ipv4.ip_forward"), "1")
    if config.ip_masq:
        for entry in ips:
            yield from _masquerade(args, entry["address"])
    return {"ips": ips, "routes": routes}


def _with_gateway(entry: spec.Result, config: Config) -> spec.Result:
    """An address without a gateway gets its network's first address as one, if this is a gateway at all."""
    if entry.get("gateway") or not config.is_gateway:
        return entry
    base, _ = ip.network(entry["address"])
    return {**entry, "gateway": ip.text(base + 1)}


def _configure(args: Args, cable: Cable, ips: list[Any], routes: list[Any], gateway: str) -> Commands:
    """ipam_linux.go ConfigureIface: addresses first, then routes, in the pod."""
    for entry in ips:
        yield from addr.add(args.world, cable.netns, args.ifname, entry["address"], broadcast="+")
    for wanted in routes:
        via = wanted.get("gw") or gateway
        row = Route(wanted["dst"], via=via, dev=args.ifname, scope="global" if via else "link")
        try:
            yield from route.add(args.world, cable.netns, row)
        except CommandError as error:
            base, prefix = ip.network(row.dst)
            shown = f"{{{ip.text(base)} {ip.mask(prefix):08x}}} via {via or '<nil>'} dev {args.ifname}"
            raise CniError(f"failed to add route '{shown}': {kernel_words(error)}") from None


def _bridge_address(args: Args, config: Config, bridge: Link, cidr: str) -> Commands:
    """bridge.go ensureAddr: one address; with it the bridge's MAC is set to what it was before this cable.

    (A bridge whose last port has gone has no MAC: the real plugin stumbles over that as well, once.)
    """
    world, node = args.world, args.node
    for row in addr.on(world, node, bridge.name):
        there = f"{row.address}/{row.prefix}"
        if there == cidr:
            return
        if not config.force_address:
            raise CniError(
                f'failed to set bridge addr: "{bridge.name}" already has an IP address different from {cidr}'
            )
        yield from addr.delete(world, node, bridge.name, there)
    yield from addr.add(world, node, bridge.name, cidr, broadcast="+")
    if bridge.mac == link.NO_MAC:
        raise CniError("failed to set bridge addr: could not set bridge's mac: invalid argument")
    yield from link.set_mac(world, node, bridge.name, bridge.mac)


def _masquerade(args: Args, cidr: str) -> Commands:
    """ip.SetupIPMasq: what leaves the pod's network is masqueraded, except multicast."""
    chain = chains.name_of("CNI-", args.name, args.container_id)
    said = _comment(args)
    base, prefix = ip.network(cidr)
    inside = f"-d {ip.text(base)}/{prefix} {said} -j ACCEPT"
    yield from chains.ensure(args.world, args.node, chain, (inside, f"! -d 224.0.0.0/4 {said} -j MASQUERADE"))
    jump = f"-s {cidr.partition('/')[0]}/32 {said} -j {chain}"
    yield from chains.ensure(args.world, args.node, "POSTROUTING", (jump,))


def _comment(args: Args) -> str:
    return f'-m comment --comment "name: \\"{args.name}\\" id: \\"{args.container_id}\\""'


def _delete(args: Args) -> Commands:
    config = _config(args.call.stdin)
    if config.ipam:
        yield from delegate(args, config.ipam)
    if not args.netns_path:
        return
    try:
        netns = open_netns(args.world, args.node, args.netns_path)
    except CniError:
        return
    if args.world.get(link.key(netns, args.ifname)) is None:
        return
    held = addr.on(args.world, netns, args.ifname)
    yield from link.delete(args.world, netns, args.ifname)
    if config.ip_masq and held:
        chain = chains.name_of("CNI-", args.name, args.container_id)
        yield from chains.drop(args.world, args.node, chain, ("POSTROUTING",))


def _check(args: Args) -> Commands:
    config = _config(args.call.stdin)
    if config.ipam:
        yield from delegate(args, config.ipam)
    previous = args.config.get("prevResult")
    if not isinstance(previous, dict):
        raise CniError("Required prevResult missing")
    result = spec.read(previous)
    try:
        netns = open_netns(args.world, args.node, args.netns_path)
    except CniError as error:
        raise CniError(f'failed to open netns "{args.netns_path}": {error}') from None
    _check_links(args, config, result, netns)
    _check_addresses(args, result, netns)


def _check_links(args: Args, config: Config, result: spec.Result, netns: str) -> None:
    bridge = args.world.get(link.key(args.node, config.bridge))
    if bridge is None:
        raise CniError(f"Interface name {config.bridge} not found")
    found: Link | None = args.world.get(link.key(netns, args.ifname))
    if found is None:
        raise CniError(f"Interface name {args.ifname} not found")
    for said in result.get("interfaces", ()):
        if said["name"] == args.ifname and said.get("mac", found.mac) != found.mac:
            raise CniError(f"Interface {args.ifname} Mac {said['mac']} doesn't match container Mac: {found.mac}")


def _check_addresses(args: Args, result: spec.Result, netns: str) -> None:
    held = [f"{a.address}/{a.prefix}" for a in addr.on(args.world, netns, args.ifname)]
    for entry in result.get("ips", ()):
        if entry["address"] not in held:
            raise CniError(f"Failed to match addr {entry['address']} on interface {args.ifname}")
    rows = args.world.table(netns, "route").values()
    for wanted in result.get("routes", ()):
        if not any(r.dst == wanted["dst"] and wanted.get("gw", r.via) == r.via for r in rows):
            base, prefix = ip.network(wanted["dst"])
            shown = f"{{Dst:{{IP:{ip.text(base)} Mask:{ip.mask(prefix):08x}}} GW:{wanted.get('gw', '<nil>')}}}"
            raise CniError(f"Expected Route {shown} not found in routing table")


@lru_cache(maxsize=1024)
def _config(stdin: str) -> Config:
    raw = configuration(stdin)

    def field(name: str, default: Any) -> Any:
        return typed(raw, name, default, "NetConf")

    default = field("isDefaultGateway", False)
    return Config(
        field("bridge", "") or "cni0",
        field("isGateway", False) or default,
        default,
        field("forceAddress", False),
        field("ipMasq", False),
        field("mtu", 0),
        field("hairpinMode", False),
        field("promiscMode", False),
        field("vlan", 0),
        typed(field("ipam", {}), "type", "", "IPAM"),
        field("dns", {}),
    )


bridge = plugin("bridge", _add, _delete, _check)
