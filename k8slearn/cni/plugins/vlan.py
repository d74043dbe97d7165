"""The ``vlan`` plugin: one 802.1Q tag of one of the node's cards, as a device of the pod.

What the pod sends leaves the node by ``master`` with the tag ``vlanId``, and only what comes in with it is the pod's.
So pods of one tag meet on whatever switch is outside, and no others do, the node neither (`linux/vlan.py`).

A card has each tag once: a second pod on the node with the same one fails, with ``file exists``. For more than one pod
a bridge with that VLAN is the way (`bridge`). After a failure the device stays in the namespace, as the real plugin
leaves it (containernetworking/plugins 1.1.1, plugins/main/vlan).

Left out: ``linkInContainer`` (1.3).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from k8slearn.cni import card, iface, skel, spec, veth
from k8slearn.cni.decode import INT, NETCONF, STRING, Struct
from k8slearn.cni.skel import Args, Printed, delegate, plugin
from k8slearn.cni.spec import CniError
from k8slearn.journal import Commands
from k8slearn.linux import link, vlan
from k8slearn.linux.rows import Link, Vlan

_CONF = Struct("main.NetConf", {**NETCONF, "master": STRING, "vlanId": INT, "mtu": INT})
Conf = dict[str, Any]


def _add(args: Args) -> Printed:
    conf = _load(args)
    netns = card.netns_of(args)
    name = veth.free_name(args, netns, args.ifname)
    number, mtu = conf.get("vlanId", 0), conf.get("mtu", 0)
    making = vlan.add(args.world, args.node, name, conf["master"], number, mtu=mtu, into=netns)
    yield from card.made(args, netns, "vlan", making, name)
    ipam = _ipam(conf)
    try:
        result = yield from delegate(args, ipam)
    except CniError as error:
        raise CniError(f"failed to execute IPAM delegate: {error}") from None
    result = yield from card.layer3(args, netns, result, ipam)
    return spec.printed(
        {**result, "interfaces": [card.interface(args, netns)], "dns": conf.get("dns", {})}, args.version
    )


def _delete(args: Args) -> Commands:
    conf = _load(args)
    yield from delegate(args, _ipam(conf))
    if args.netns_path:
        yield from card.removed(args)


def _check(args: Args) -> Commands:
    conf, netns = _read(args.call.stdin), card.netns_of(args)
    yield from delegate(args, _ipam(conf))
    result = args.previous
    if result is None:
        raise CniError("vlan: Required prevResult missing")
    said = iface.of_container(args, result)
    _master(args, conf.get("master", ""))
    _check_link(args, conf, netns, said)
    iface.check_addresses(args, netns, result.get("ips") or ())
    iface.check_routes(args, netns, result.get("routes") or ())


def _check_link(args: Args, conf: Conf, netns: str, said: spec.Result) -> None:
    name = said["name"]
    row: Link | None = args.world.get(link.key(netns, name))
    if row is None:
        raise CniError(f"vlan: Container Interface name in prevResult: {name} not found")
    if not isinstance(row.spec, Vlan):
        raise CniError(f"Error: Container interface {name} not of type vlan")
    if said.get("mac") not in (None, "", row.mac):
        raise CniError(f"vlan: Interface {name} Mac {said['mac']} doesn't match container Mac: {row.mac}")
    number, mtu = conf.get("vlanId", 0), conf.get("mtu", 0)
    if number != row.spec.id:
        words = f"configured promisc is {number}, current value is {row.spec.id}"
        raise CniError(f"Error: Tuning link {name} {words}")
    if mtu not in (0, row.mtu):
        raise CniError(f"Error: Tuning configured MTU of {name} is {mtu}, current value is {row.mtu}")


def _master(args: Args, name: str) -> Link:
    try:
        return card.found(args, name)
    except CniError as error:
        raise CniError(f'failed to lookup master "{name}": {error.msg}') from None


def _load(args: Args) -> Conf:
    """loadConf(). Raises CniError."""
    conf = _read(args.call.stdin)
    if not conf.get("master"):
        needed = "It specifies the host interface name to create the VLAN for."
        raise CniError(f'"master" field is required. {needed}')
    number, mtu = conf.get("vlanId", 0), conf.get("mtu", 0)
    if not 0 <= number <= vlan.LARGEST:
        raise CniError(f"invalid VLAN ID {number} (must be between 0 and 4095 inclusive)")
    master = card.found(args, conf["master"])
    if not 0 <= mtu <= master.mtu:
        raise CniError(f"invalid MTU {mtu}, must be [0, master MTU({master.mtu})]")
    return conf


def _ipam(conf: Conf) -> str:
    return str(conf.get("ipam", {}).get("type", ""))


@lru_cache(maxsize=256)
def _read(stdin: str) -> Conf:
    return skel.load(stdin, _CONF, "failed to load netconf")


vlan_plugin = plugin("vlan", _add, _delete, _check)
