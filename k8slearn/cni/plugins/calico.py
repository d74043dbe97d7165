"""The ``calico`` plugin: a cable from the pod to its node, no bridge, and a gateway that nobody has.

::

    pod: eth0 10.244.84.129/32                              node: cali5f7…  ee:ee:ee:ee:ee:ee, no address
    default via 169.254.1.1 dev eth0                        10.244.84.129 dev cali5f7… scope link
    169.254.1.1 dev eth0 scope link                         proxy_arp=1: answers for 169.254.1.1, and for anybody

The pod is alone in its network: every packet goes to the node, which routes it. All host ends have one MAC, so a pod
that moves or a node that restarts meets the gateway it knew. The host end's name is ``cali`` and the first eleven
digits of the sha1 of ``namespace.pod`` (dataplane_linux.go, k8s/conversion). The agent writes the node's name into a
file; until it is there the plugin gives up at once.

Left out: IPv6, the annotations ``ipAddrsNoIpam``, ``floatingIPs`` and those that the plugin writes to the pod,
``proxy_delay`` (answers are at once), host-local as IPAM (``usePodCidr``), netkit devices, Windows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from k8slearn.cni import spec
from k8slearn.cni.skel import Args, Printed, delegate, open_netns, plugin, typed
from k8slearn.cni.spec import CniError
from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Put
from k8slearn.linux import addr, ip, link, route
from k8slearn.linux.rows import Route

GATEWAY = "169.254.1.1"
HOST_MAC = "ee:ee:ee:ee:ee:ee"
NODENAME, MTU = "/var/lib/calico/nodename", "/var/lib/calico/mtu"
"""What the agent writes for the plugin."""
ANNOTATION = "cni.projectcalico.org/ipAddrs"
SYSCTLS = ("route_localnet", "proxy_arp", "forwarding")


def _add(args: Args) -> Printed:
    _nodename(args)
    ipam = typed(typed(args.config, "ipam", {}, "NetConf"), "type", "", "IPAM")
    result = yield from delegate(_asking(args), ipam)
    if not result.get("ips"):
        raise CniError("IPAM plugin returned missing IP config")
    try:
        netns = open_netns(args.world, args.node, args.netns_path)
        yield from _wire(args, netns, [entry["address"].partition("/")[0] for entry in result["ips"]])
    except (CniError, CommandError):
        yield from delegate(args, ipam, "DEL")
        raise
    interfaces = [
        {"name": host_end(args)},
        {"name": args.ifname, "mac": link.find(args.world, netns, args.ifname).mac, "sandbox": args.netns_path},
    ]
    ips = [{**entry, "interface": 1} for entry in result["ips"]]
    return spec.printed({**result, "interfaces": interfaces, "ips": ips}, args.version)


def _nodename(args: Args) -> None:
    if args.world.get((args.node, "file", NODENAME)) is None:
        words = "check that the calico/node container is running and has mounted /var/lib/calico/"
        raise CniError(f"stat {NODENAME}: no such file or directory: {words}")


def _asking(args: Args) -> Args:
    """The call for the IPAM plugin: with ``IP=`` where the pod's annotation asks for an address."""
    known = args.cni_args(K8S_POD_NAMESPACE=str, K8S_POD_NAME=str, IP=str)
    key = f"{known.get('K8S_POD_NAMESPACE')}/{known.get('K8S_POD_NAME')}"
    pod: Mapping[str, Any] = args.world.get(("api", "pods", key)) or {}
    text = ((pod.get("metadata") or {}).get("annotations") or {}).get(ANNOTATION)
    if not text:
        return args
    asked = ";".join(filter(None, (args.call.env.get("CNI_ARGS"), f"IP={_address(text)}")))
    return replace(args, call=replace(args.call, env={**args.call.env, "CNI_ARGS": asked}))


def _address(text: str) -> str:
    """The one address of the annotation, a list as JSON."""
    try:
        asked = json.loads(text)
        if not isinstance(asked, list) or not all(isinstance(one, str) for one in asked):
            raise ValueError("json: cannot unmarshal into Go value of type []string")
    except ValueError as error:
        words = f"failed to parse '{text}' as JSON: {error}"
        raise CniError(f'failed to parse IPs {text} for annotation "{ANNOTATION}": {words}') from None
    if not asked:
        raise CniError(f'annotation "{ANNOTATION}" specified but empty')
    if len(asked) > 1:
        raise CniError(f'cannot have more than one IPv4 address for "{ANNOTATION}" annotation')
    try:
        ip.number(asked[0])
    except ValueError:
        raise CniError(f"invalid IP format: {asked[0]}") from None
    return str(asked[0])


def host_end(args: Args) -> str:
    """The host end's name: a pod's is known to everybody who knows the pod's."""
    known = args.cni_args(K8S_POD_NAMESPACE=str, K8S_POD_NAME=str, IP=str)
    if "K8S_POD_NAME" not in known:
        return "cali" + args.container_id[:11]
    words = f"{known.get('K8S_POD_NAMESPACE', '')}.{known['K8S_POD_NAME']}"
    return "cali" + hashlib.sha1(words.encode()).hexdigest()[:11]


def _wire(args: Args, netns: str, addresses: list[str]) -> Commands:
    """dataplane_linux.go DoNetworking: the cable, the pod's routes and address, the node's settings and route."""
    world, node, host, eth0 = args.world, args.node, host_end(args), args.ifname
    if world.get(link.key(node, host)) is not None:
        yield from link.delete(world, node, host)
    yield from link.add_veth(world, netns, eth0, node, host, _mtu(args), peer_mac=HOST_MAC)
    yield from link.set_up(world, node, host)
    yield from link.set_up(world, netns, eth0)
    yield from route.add(world, netns, Route(f"{GATEWAY}/32", dev=eth0, scope="link"))
    yield from route.add(world, netns, Route(ip.ANY, via=GATEWAY, dev=eth0))
    for address in addresses:
        yield from addr.add(world, netns, eth0, f"{address}/32")
    for setting in SYSCTLS:
        yield Put((node, "sysctl", f"net.ipv4.conf.{host}.{setting}"), "1")
    for address in addresses:
        yield from _towards(args, address, host)


def _towards(args: Args, address: str, host: str) -> Commands:
    """The node's route to the pod. Where another link has it already, the plugin says whose."""
    wanted = Route(f"{address}/32", dev=host, scope="link")
    there: Route | None = args.world.get(route.key(args.node, wanted))
    if there is not None and there.dev != host:
        words = f"route (Dst: {address}/32, Scope: link) already exists for an interface other than '{host}'"
        raise CniError(f"error adding host side routes for interface: {host}, error: {words}: (Iface: {there.dev})")
    if there is None:
        yield from route.add(args.world, args.node, wanted)


def _mtu(args: Args) -> int:
    """The configuration's MTU, or what the agent found out, or the kernel's usual one."""
    text: str | None = args.world.get((args.node, "file", MTU))
    return typed(args.config, "mtu", 0, "NetConf") or int(text or 1500)


def _delete(args: Args) -> Commands:
    _nodename(args)
    ipam = typed(typed(args.config, "ipam", {}, "NetConf"), "type", "", "IPAM")
    if args.netns_path:
        try:
            netns = open_netns(args.world, args.node, args.netns_path)
        except CniError:
            netns = ""
        if netns and args.world.get(link.key(netns, args.ifname)) is not None:
            yield from link.delete(args.world, netns, args.ifname)
    yield from delegate(args, ipam)


def _check(args: Args) -> Commands:
    """The real plugin's CHECK looks at nothing."""
    yield from ()


calico = plugin("calico", _add, _delete, _check, vendor=True)
