"""The ``host-device`` plugin: one of the node's own devices moves into the pod, and comes back at DEL.

Nobody else has the device meanwhile. The plugin names it by ``device`` or by its MAC (``hwaddr``), moves it, calls it
CNI_IFNAME and keeps its old name in its alias, which is where DEL finds it again. What the device had on the node, its
addresses and routes, it loses by moving.

DEL fails where the device is not there (any more): a second DEL, a DEL after an ADD that never got that far. So does
the real plugin (containernetworking/plugins 1.1.1, plugins/main/host-device).

Left out: ``kernelpath`` and ``pciBusID`` find nothing (there is no /sys here), and so DPDK.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from k8slearn.cni import card, iface, skel, spec, veth
from k8slearn.cni.decode import NETCONF, STRING, Struct
from k8slearn.cni.skel import Args, Printed, delegate, kernel_words, plugin
from k8slearn.cni.spec import CniError
from k8slearn.errors import CommandError
from k8slearn.journal import Commands
from k8slearn.linux import link
from k8slearn.linux.rename import rename
from k8slearn.linux.rows import Link

NAMED_BY = ("device", "hwaddr", "kernelpath", "pciBusID")
_DEVICE_ID = 'struct { DeviceID string "json:\\"deviceID,omitempty\\"" }'
_CONF = Struct(
    "main.NetConf",
    {**NETCONF, **dict.fromkeys(NAMED_BY, STRING), "runtimeConfig": Struct(_DEVICE_ID, {"deviceID": STRING})},
)
Conf = dict[str, Any]


def _add(args: Args) -> Printed:
    conf = _load(args)
    netns = card.netns_of(args)
    try:
        device = _device(args, conf)
    except CniError as error:
        raise CniError(f"failed to find host device: {error.msg}") from None
    try:
        yield from _moved_in(args, netns, device.name)
    except CniError as error:
        raise CniError(f"failed to move link {error.msg}") from None
    interfaces = [card.interface(args, netns)]
    ipam = _ipam(conf)
    if not ipam:
        return spec.printed({"interfaces": interfaces}, args.version)
    result = yield from card.layer3(args, netns, (yield from delegate(args, ipam)), ipam)
    return spec.printed({**result, "interfaces": interfaces, "dns": conf.get("dns", {})}, args.version)


def _moved_in(args: Args, netns: str, name: str) -> Commands:
    """moveLinkIn(): into the namespace, down, its name as its alias, another name, up. Raises CniError."""
    try:
        yield from link.set_netns(args.world, args.node, name, netns)
    except CommandError as error:
        raise CniError(kernel_words(error)) from None
    yield from link.set_down(args.world, netns, name)
    yield from link.set_fields(args.world, netns, name, alias=name)
    try:
        yield from rename(args.world, netns, name, args.ifname)
    except CommandError as error:
        raise CniError(f'failed to rename device "{name}" to "{args.ifname}": {kernel_words(error)}') from None
    yield from link.set_up(args.world, netns, args.ifname)


def _moved_out(args: Args, netns: str) -> Commands:
    """moveLinkOut(): down, its old name again, back to the node; as it was, if the node does not take it."""
    world, ifname = args.world, args.ifname
    device: Link | None = world.get(link.key(netns, ifname))
    if device is None:
        raise CniError(f'failed to find "{ifname}": Link not found')
    yield from link.set_down(world, netns, ifname)
    name, words = device.alias, f'restore "{ifname}" to original name "{device.alias}"'
    try:
        yield from rename(world, netns, ifname, name)
        words = f'move "{name}" to host netns'
        yield from link.set_netns(world, netns, name, args.node)
    except CommandError as error:
        if world.get(link.key(netns, ifname)) is None:
            yield from rename(world, netns, name, ifname)
        if device.up:
            yield from link.set_up(world, netns, ifname)
        raise CniError(f"failed to {words}: {kernel_words(error)}") from None


def _delete(args: Args) -> Commands:
    conf = _load(args)
    if not args.netns_path:
        return
    netns = card.netns_of(args)
    if _ipam(conf):
        yield from delegate(args, _ipam(conf))
    yield from _moved_out(args, netns)


def _check(args: Args) -> Commands:
    conf, netns = _load(args), card.netns_of(args)
    if _ipam(conf):
        yield from delegate(args, _ipam(conf))
    result = args.previous
    if result is None:
        raise CniError("Required prevResult missing")
    said = iface.of_container(args, result)
    row: Link | None = args.world.get(link.key(netns, said["name"]))
    if row is None:
        raise CniError(f"Container Interface name in prevResult: {said['name']} not found")
    if said.get("mac") not in (None, "", row.mac):
        raise CniError(f"Interface {row.name} Mac {said['mac']} doesn't match container Mac: {row.mac}")
    iface.check_addresses(args, netns, result.get("ips") or ())
    iface.check_routes(args, netns, result.get("routes") or ())


def _device(args: Args, conf: Conf) -> Link:
    """getLink(): by its name, or by its MAC. Raises CniError."""
    if conf.get("device"):
        return card.found(args, conf["device"])
    if conf.get("hwaddr"):
        mac = _mac(conf["hwaddr"])
        rows: list[Link] = sorted(args.world.table(args.node, "link").values(), key=lambda row: row.index)
        one = next((row for row in rows if row.mac == mac and row.kind != "loopback"), None)
    else:
        path = conf["kernelpath"]
        if not path.startswith("/sys/devices/"):
            raise CniError(f'kernel device path "{path}" must be absolute and begin with /sys/devices/')
        raise CniError(f'failed to find network devices at "{path.rstrip("/")}/net"')
    if one is None:
        raise CniError("failed to find physical interface")
    return one


def _mac(text: str) -> str:
    if not veth.MAC.match(text):
        raise CniError(f'failed to parse MAC address "{text}": address {text}: invalid MAC address')
    digits = re.sub("[^0-9a-f]", "", text.lower())
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def _load(args: Args) -> Conf:
    """loadConf(). Raises CniError."""
    conf = _read(args.call.stdin)
    address = conf.get("runtimeConfig", {}).get("deviceID") or conf.get("pciBusID")
    if not address and not any(conf.get(field) for field in NAMED_BY):
        raise CniError('specify either "device", "hwaddr", "kernelpath" or "pciBusID"')
    if address:
        path = f"/sys/bus/pci/devices/{address}"
        raise CniError(f"error with host device: lstat {path}: no such file or directory")
    return conf


def _ipam(conf: Conf) -> str:
    return str(conf.get("ipam", {}).get("type", ""))


@lru_cache(maxsize=256)
def _read(stdin: str) -> Conf:
    return skel.load(stdin, _CONF, "failed to load netconf")


host_device = plugin("host-device", _add, _delete, _check)
