"""What the agent lays on its node: a cable with both ends on it, a tunnel, routes, and programs at all of them.

::

    cilium_net@cilium_host   the node's own end of the pods' world: what the node's stack sends to a pod goes out of
    cilium_host@cilium_net   cilium_host, where cil_from_host takes it; what a pod sends to the node comes in by it
    cilium_vxlan             external: it has no table, the program says for each packet where it goes
    10.244.0.0/24 via 10.244.0.5 dev cilium_host proto kernel src 10.244.0.5           its own pods
    10.244.1.0/24 via 10.244.0.5 dev cilium_host proto kernel src 10.244.0.5 mtu 1450  another's (`peers`)

``10.244.0.5`` is the **router** address, one out of the node's pod range: every pod's gateway. No packet with this MAC
is ever needed: the program answers every ARP question itself, and the devices have ARP off.

The CNI configuration is written last (``write-cni-conf-when-ready``); other plugins' files are put aside
(``cni-exclusive``).

Sources: pkg/datapath/loader/base.go, netlink.go, pkg/datapath/linux/node.go, pkg/mtu, daemon/cmd/cni/config.go.

Left out: lxc_health, routing rules (``ip rule``) that only IPsec, proxies and ENIs need, BIG TCP.
"""

from __future__ import annotations

from collections.abc import Generator

from k8slearn.cni.cilium import agent, datapath, lb, maps
from k8slearn.components.cilium import config, encryption, masquerade
from k8slearn.journal import Command, Commands, Put, Remove, World
from k8slearn.linux import addr, bpf, link, route, vxlan_link
from k8slearn.linux.rows import Link, Route, Vxlan

PORT = 8472
TUNNEL_HEADER, WIREGUARD_HEADER = 50, 80
"""What the headers take off the MTU of routes (pkg/mtu: TunnelOverheadIPv4, WireguardOverhead)."""
CONFLIST, FOLDER = "/etc/cni/net.d/05-cilium.conflist", "/etc/cni/net.d/"
ASIDE = ".cilium_bak"
CONFIGURATION = """
{
  "cniVersion": "0.3.1",
  "name": "cilium",
  "plugins": [
    {
       "type": "cilium-cni",
       "enable-debug": false,
       "log-file": "/var/run/cilium/cilium-cni.log"
    }
  ]
}
"""
SYSCTLS = {"net.ipv4.ip_forward": "1", "net.ipv4.conf.all.rp_filter": "0"}
DEVICE_SYSCTLS = {"forwarding": "1", "rp_filter": "0", "accept_local": "1", "send_redirects": "0"}
Ready = Generator[Command, None, bool]


def ensure(world: World, node: str) -> Ready:
    """The node is as it should be; False: it has no addresses yet."""
    name = node.removeprefix("node:")
    own, cidr = config.underlay(world, node), config.pod_cidr(world, name)
    if own is None or not cidr:
        return False
    router = yield from _router(world, node, cidr)
    if not router:
        return False
    wanted = _config(world, node, own.address, own.dev, router, cidr)
    yield from _sysctls(world, node, SYSCTLS)
    yield from _pair(world, node, wanted)
    yield from _overlay(world, node, wanted)
    yield from encryption.device(world, node, wanted)
    yield from own_routes(world, node, wanted)
    yield from _programs(world, node, wanted)
    yield from _itself(world, node, wanted)
    yield from masquerade.ensure(world, node, wanted)
    yield from put(world, (node, maps.CONFIG, ""), wanted)
    yield from _conflist(world, node)
    return True


def put(world: World, key: tuple[str, str, object], row: object) -> Commands:
    """Write a row, unless it is there."""
    if world.get(key) != row:
        yield Put(key, row)


def _router(world: World, node: str, cidr: str) -> Generator[Command, None, str]:
    held = world.table(node, agent.ADDRESSES)
    found = next((str(address) for address, row in held.items() if row == agent.ROUTER), "")
    return found or (yield from agent.allocate(world, node, cidr, agent.ROUTER))


def _config(world: World, node: str, address: str, dev: str, router: str, cidr: str) -> maps.Config:
    told, tunnel = config.of(world), config.is_tunnel(world)
    underlay: Link | None = world.get(link.key(node, dev))
    mtu = int(told.get("mtu") or 0) or (underlay.mtu if underlay is not None else 1500)
    wireguard = config.is_on(world, "enable-wireguard")
    less = TUNNEL_HEADER * tunnel + WIREGUARD_HEADER * wireguard
    native = "" if tunnel else told.get("ipv4-native-routing-cidr", "")
    return maps.Config(address, dev, router, cidr, tunnel, native, wireguard, mtu, mtu - less)


def _sysctls(world: World, node: str, settings: dict[str, str]) -> Commands:
    for name, value in settings.items():
        yield from put(world, (node, "sysctl", name), value)


def _device(world: World, node: str, name: str) -> Commands:
    yield from _sysctls(world, node, {f"net.ipv4.conf.{name}.{s}": v for s, v in DEVICE_SYSCTLS.items()})
    device: Link = link.find(world, node, name)
    if not device.up:
        yield from link.set_up(world, node, name)


def _pair(world: World, node: str, wanted: maps.Config) -> Commands:
    if world.get(link.key(node, maps.HOST_DEV)) is None:
        yield from link.add_veth(world, node, maps.HOST_DEV, node, maps.NET_DEV, wanted.mtu)
        for name in (maps.HOST_DEV, maps.NET_DEV):
            yield from link.set_fields(world, node, name, arp=False)
    for name in (maps.HOST_DEV, maps.NET_DEV):
        yield from _device(world, node, name)
    there = addr.on(world, node, maps.HOST_DEV)
    if wanted.router not in [row.address for row in there]:
        yield from addr.add(world, node, maps.HOST_DEV, f"{wanted.router}/32")


def _overlay(world: World, node: str, wanted: maps.Config) -> Commands:
    there = world.get(link.key(node, maps.OVERLAY)) is not None
    if wanted.tunnel and not there:
        spec = Vxlan(0, port=PORT, learning=False, external=True)
        yield from vxlan_link.add(world, node, maps.OVERLAY, spec, mtu=wanted.mtu)
    if wanted.tunnel:
        yield from _device(world, node, maps.OVERLAY)
    elif there:
        yield from bpf.detach(world, node, maps.OVERLAY)
        yield from link.delete(world, node, maps.OVERLAY)


def own_routes(world: World, node: str, wanted: maps.Config) -> Commands:
    router, dev = wanted.router, maps.HOST_DEV
    rows = (
        Route(f"{router}/32", dev=dev, scope="link", proto="kernel"),
        Route(wanted.pod_cidr, via=router, dev=dev, src=router, proto="kernel"),
    )
    for row in rows:
        if world.get(route.key(node, row)) != row:
            yield from route.replace(world, node, row)


def _programs(world: World, node: str, wanted: maps.Config) -> Commands:
    places = [
        (maps.HOST_DEV, "ingress", datapath.TO_HOST),
        (maps.HOST_DEV, "egress", datapath.FROM_HOST),
        (maps.NET_DEV, "ingress", datapath.TO_HOST),
        (wanted.device, "ingress", datapath.FROM_NETDEV),
        (wanted.device, "egress", datapath.TO_NETDEV),
    ]
    if wanted.tunnel:
        places += [
            (maps.OVERLAY, "ingress", datapath.FROM_OVERLAY),
            (maps.OVERLAY, "egress", datapath.TO_OVERLAY),
        ]
    for dev, hook, program in places:
        if world.get((node, "bpf", (dev, hook))) != program:
            yield from bpf.attach(node, dev, hook, program)
    if world.get((node, "bpf", bpf.CONNECT)) != lb.CONNECT:
        yield from bpf.attach_sockets(node, lb.CONNECT)


def _itself(world: World, node: str, wanted: maps.Config) -> Commands:
    """The node's own addresses are in the map of endpoints: a packet for them goes up."""
    own = {
        row.address for row in world.table(node, "addr").values() if row.scope == "global" and ":" not in row.address
    }
    for address in sorted(own | {wanted.router}):
        yield from put(world, (node, maps.LXC, address), maps.Endpoint(host=True))
    for address, row in list(world.table(node, maps.LXC).items()):
        if row.host and address not in own | {wanted.router}:
            yield Remove((node, maps.LXC, address))


def _conflist(world: World, node: str) -> Commands:
    if config.is_on(world, "cni-exclusive", True):
        others = [str(p) for p in world.table(node, "file") if str(p).startswith(FOLDER) and p != CONFLIST]
        for path in others:
            if path.endswith((".conf", ".conflist", ".json")):
                yield Put((node, "file", path + ASIDE), world.get((node, "file", path)))
                yield Remove((node, "file", path))
    yield from put(world, (node, "file", CONFLIST), CONFIGURATION.lstrip("\n"))
