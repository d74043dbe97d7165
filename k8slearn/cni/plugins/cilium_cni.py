"""The ``cilium-cni`` plugin: a cable from the pod to its node, and all else is the agent's.

::

    pod: eth0 10.244.0.7/32  mtu 1500                     node: lxc1f9ac07c3e12, no address, no bridge
    default via 10.244.0.5 dev eth0 mtu 1450              cil_from_container hangs at its ingress: whatever the pod
    10.244.0.5 dev eth0 scope link                        sends is decided there

The gateway is the node's router address, and nobody has its MAC: the program answers for it. The node has no route to
the single pod. The host end's name is ``lxc`` and twelve digits of the sha256 of ``CONTAINER:IFNAME``; the other end is
made beside it, as ``tmp…``, moved into the pod's namespace and renamed there.

Address, endpoint and program come from the agent (`k8slearn.cni.cilium.agent`): without it there is no ADD, and a DEL
is written down for later.

Sources: plugins/cilium-cni/cmd/cmd.go, pkg/datapath/connector (Endpoint2IfName, IPv4Routes).

Left out: IPv6, chaining, netkit devices, delegated IPAM, several addresses, CHECK of the agent's own health.
"""

from __future__ import annotations

import hashlib
from typing import Any

from k8slearn.cni import spec
from k8slearn.cni.cilium import agent, maps
from k8slearn.cni.skel import Args, Printed, open_netns, plugin
from k8slearn.cni.spec import CniError
from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Put
from k8slearn.linux import addr, ip, link, route
from k8slearn.linux.rename import rename
from k8slearn.linux.rows import Link, Route

NO_AGENT = (
    "unable to connect to Cilium agent: failed to create cilium agent client after 30.000000 seconds timeout: "
    f'Get "http://localhost/v1/config": dial unix {agent.SOCKET}: connect: no such file or directory\n'
    "Is the agent running?"
)
CHAINED = (
    "CNI PrevResult supplied, but not in chaining mode -- this is invalid, "
    "please set chaining-mode in CNI configuration"
)
EMPTY = 'unable to allocate IP via local cilium agent: [POST /ipam][502] postIpamFailure "range is full"'


def _add(args: Args) -> Printed:
    world, node = args.world, args.node
    if not agent.answers(world, node):
        raise CniError(NO_AGENT)
    if args.config.get("prevResult"):
        raise CniError(CHAINED)
    known = args.cni_args(**dict.fromkeys(KNOWN, str))
    here = maps.config(world, node)
    assert here is not None
    netns = open_netns(world, node, args.netns_path)
    if world.get(link.key(netns, args.ifname)) is not None:
        yield from link.delete(world, netns, args.ifname)
    pod = f"{known['K8S_POD_NAMESPACE']}/{known['K8S_POD_NAME']}" if known.get("K8S_POD_NAME") else ""
    held = agent.Held(pod or args.container_id, args.container_id)
    address = yield from agent.allocate(world, node, here.pod_cidr, held, str(known.get("IP") or ""))
    if not address:
        raise CniError(EMPTY)
    try:
        yield from _wire(args, netns, here, address)
        mac = link.find(world, netns, args.ifname).mac
        made = agent.Known(0, args.container_id, args.ifname, address, host_end(args), pod)
        yield from agent.create(world, node, made, mac)
    except (CniError, CommandError):
        yield from _undo(args, netns, address)
        raise
    return spec.printed(_result(args, netns, here, address), args.version)


KNOWN = ("K8S_POD_NAMESPACE", "K8S_POD_NAME", "K8S_POD_INFRA_CONTAINER_ID", "K8S_POD_UID", "IP")


def host_end(args: Args) -> str:
    """The name of the node's end."""
    return "lxc" + hashlib.sha256(f"{args.container_id}:{args.ifname}".encode()).hexdigest()[:12]


def _wire(args: Args, netns: str, here: maps.Config, address: str) -> Commands:
    """The cable, and what the pod has to know of its network."""
    world, node, host, far = args.world, args.node, host_end(args), "tmp" + args.container_id[:5]
    if world.get(link.key(node, host)) is not None:
        yield from link.delete(world, node, host)
    macs = link.made_up_mac(netns, args.ifname), link.made_up_mac(node, host)
    yield from link.add_veth(world, node, host, node, far, here.mtu, macs[1], macs[0])
    yield Put((node, "sysctl", f"net.ipv4.conf.{host}.rp_filter"), "0")
    yield from link.set_up(world, node, host)
    yield from link.set_netns(world, node, far, netns)
    yield from rename(world, netns, far, args.ifname)
    yield from link.set_up(world, netns, args.ifname)
    yield from addr.add(world, netns, args.ifname, f"{address}/32")
    yield from route.add(world, netns, Route(f"{here.router}/32", dev=args.ifname, scope="link"))
    mtu = here.route_mtu if here.route_mtu != here.mtu else 0
    yield from route.add(world, netns, Route(ip.ANY, via=here.router, dev=args.ifname, mtu=mtu))


def _undo(args: Args, netns: str, address: str) -> Commands:
    host = host_end(args)
    if args.world.get(link.key(args.node, host)) is not None:
        yield from link.delete(args.world, args.node, host)
    yield from agent.release(args.world, args.node, address)


def _result(args: Args, netns: str, here: maps.Config, address: str) -> dict[str, Any]:
    near: Link = link.find(args.world, args.node, host_end(args))
    far: Link = link.find(args.world, netns, args.ifname)
    return {
        "interfaces": [
            {"name": near.name, "mac": near.mac},
            {"name": far.name, "mac": far.mac, "sandbox": args.netns_path},
        ],
        "ips": [{"interface": 1, "address": f"{address}/32", "gateway": here.router}],
        "routes": [{"dst": f"{here.router}/32"}, {"dst": ip.ANY, "gw": here.router}],
        "dns": {},
    }


def _delete(args: Args) -> Commands:
    """The endpoint goes, then the interface; where the agent is silent, that is left for it."""
    world, node, host = args.world, args.node, host_end(args)
    if agent.answers(world, node):
        yield from agent.forget(world, node, args.container_id, args.ifname)
    elif agent.find(world, node, args.container_id, args.ifname) is not None:
        yield from agent.enqueue(node, args.container_id, args.ifname)
    if world.get(link.key(node, host)) is not None:
        yield from link.delete(world, node, host)
    if args.netns_path:
        try:
            netns = open_netns(world, node, args.netns_path)
        except CniError:
            return
        if world.get(link.key(netns, args.ifname)) is not None:
            yield from link.delete(world, netns, args.ifname)


def _check(args: Args) -> Commands:
    """Is there an endpoint, and the interface with its address?"""
    yield from ()
    if not agent.answers(args.world, args.node):
        raise CniError(NO_AGENT)
    known = agent.find(args.world, args.node, args.container_id, args.ifname)
    if known is None:
        raise CniError(
            f"interface {args.ifname} not found in the agent: [GET /endpoint/{{id}}][404] getEndpointIdNotFound"
        )
    netns = open_netns(args.world, args.node, args.netns_path)
    if known.address not in [row.address for row in addr.on(args.world, netns, args.ifname)]:
        raise CniError(f"expected ip {known.address} not found on interface {args.ifname}")


cilium_cni = plugin("cilium-cni", _add, _delete, _check, vendor=True)
