"""The ``ipvlan`` plugin: another IP stack behind one of the node's cards, with the card's own MAC, for the pod.

Where a switch lets one MAC through for each machine (most clouds), a macvlan is not heard and an ipvlan is
(`linux/ipvlan.py` says what ``l2``, ``l3`` and ``l3s`` mean). ``master`` is the card, by default the one of the default
route, or the one interface of a plugin before this one.

A lease whose address cannot be put on is not given back, and the device stays: the real plugin does so
(containernetworking/plugins 1.1.1, plugins/main/ipvlan).

Left out: ``arp_notify``, ``linkInContainer`` (1.3).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from k8slearn.cni import card, iface, skel, spec, veth
from k8slearn.cni.decode import INT, NETCONF, STRING, Struct
from k8slearn.cni.skel import Args, Printed, delegate, plugin
from k8slearn.cni.spec import CniError
from k8slearn.journal import Commands
from k8slearn.linux import ipvlan, link
from k8slearn.linux.rows import Ipvlan, Link

_CONF = Struct("main.NetConf", {**NETCONF, "master": STRING, "mode": STRING, "mtu": INT})
Conf = dict[str, Any]


def _add(args: Args) -> Printed:
    conf = _load(args)
    netns = card.netns_of(args)
    mode = _mode(conf)
    _master(args, conf["master"])
    name, wanted = veth.free_name(args, netns, args.ifname), Ipvlan(mode, "bridge")
    making = ipvlan.add(args.world, args.node, name, conf["master"], wanted, max(conf.get("mtu", 0), 0), netns)
    yield from card.made(args, netns, "ipvlan", making, name)
    before = args.previous or {}
    result = before if not _ipam(conf) and before.get("ips") else (yield from delegate(args, _ipam(conf)))
    result = yield from card.layer3(args, netns, result)
    return spec.printed(
        {**result, "interfaces": [card.interface(args, netns)], "dns": conf.get("dns", {})}, args.version
    )


def _delete(args: Args) -> Commands:
    conf = _load(args)
    if _ipam(conf):
        yield from delegate(args, _ipam(conf))
    if args.netns_path:
        yield from card.removed(args)


def _check(args: Args) -> Commands:
    conf, netns = _read(args.call.stdin), card.netns_of(args)
    if _ipam(conf):
        yield from delegate(args, _ipam(conf))
    result = args.previous
    if result is None:
        raise CniError("Required prevResult missing")
    said = iface.of_container(args, result)
    _master(args, conf.get("master", ""))
    _check_link(args, conf, netns, said)
    iface.check_addresses(args, netns, result.get("ips") or ())
    iface.check_routes(args, netns, result.get("routes") or ())


def _check_link(args: Args, conf: Conf, netns: str, said: spec.Result) -> None:
    name = said["name"]
    row: Link | None = args.world.get(link.key(netns, name))
    if row is None:
        raise CniError(f"Container Interface name in prevResult: {name} not found")
    if not isinstance(row.spec, Ipvlan):
        raise CniError(f"Error: Container interface {name} not of type ipvlan")
    mode = conf.get("mode") if conf.get("mode") in ipvlan.MODES else "l2"
    if row.spec.mode != mode:
        raise CniError(f"Container IPVlan mode {row.spec.mode} does not match expected value: {mode}")
    if said.get("mac") not in (None, "", row.mac):
        raise CniError(f"Interface {name} Mac {said['mac']} doesn't match container Mac: {row.mac}")


def _mode(conf: Conf) -> str:
    mode = conf.get("mode") or "l2"
    if mode not in ipvlan.MODES:
        raise CniError(f'unknown ipvlan mode: "{mode}"')
    return str(mode)


def _master(args: Args, name: str) -> Link:
    try:
        return card.found(args, name)
    except CniError as error:
        raise CniError(f'failed to lookup master "{name}": {error.msg}') from None


def _load(args: Args) -> Conf:
    """loadConf(): the configuration with its master. Raises CniError."""
    conf = _read(args.call.stdin)
    try:
        before = args.previous
    except CniError as error:
        raise CniError(f"could not parse prevResult: {error.msg}") from None
    if conf.get("master"):
        return conf
    if before is None:
        return {**conf, "master": card.of_default_route(args)}
    named = [row["name"] for row in before.get("interfaces") or () if row.get("name")]
    if len(named) != 1 or len(before["interfaces"]) != 1:
        raise CniError("chained master failure. PrevResult lacks a single named interface")
    return {**conf, "master": named[0]}


def _ipam(conf: Conf) -> str:
    return str(conf.get("ipam", {}).get("type", ""))


@lru_cache(maxsize=256)
def _read(stdin: str) -> Conf:
    return skel.load(stdin, _CONF, "failed to load netconf")


ipvlan_plugin = plugin("ipvlan", _add, _delete, _check)
