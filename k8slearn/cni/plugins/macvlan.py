"""The ``macvlan`` plugin: a second MAC on one of the node's own cards, as a device of the pod.

The pod stands on the node's network, beside the node and without a bridge (`linux/macvlan.py` says who hears whom, and
why the node itself does not). ``master`` is the card, by default the one of the default route; ``mode`` is ``bridge``
where nothing is said. DEL gives the lease back and takes the device away.

ADD that fails once the addresses are there leaves the device in the namespace, as the real plugin does.

Left out: ``arp_notify``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from k8slearn.cni import card, iface, skel, spec, veth
from k8slearn.cni.decode import INT, NETCONF, STRING, Struct
from k8slearn.cni.skel import Args, Printed, delegate, kernel_words, plugin
from k8slearn.cni.spec import CniError
from k8slearn.errors import CommandError
from k8slearn.journal import Commands
from k8slearn.linux import link, macvlan
from k8slearn.linux.rows import Link, Macvlan

_CONF = Struct(
    "main.NetConf",
    {
        **NETCONF,
        **dict.fromkeys(("master", "mode", "mac"), STRING),
        "mtu": INT,
        "runtimeConfig": Struct('struct { Mac string "json:\\"mac,omitempty\\"" }', {"mac": STRING}),
    },
)
Conf = dict[str, Any]


def _add(args: Args) -> Printed:
    conf = _load(args)
    netns = card.netns_of(args)
    yield from _create(args, conf, netns)
    result: spec.Result = {}
    if conf["ipam"]:
        result = yield from card.layer3(args, netns, (yield from delegate(args, conf["ipam"])), conf["ipam"])
    else:
        yield from link.set_up(args.world, netns, args.ifname)
    return spec.printed(
        {**result, "interfaces": [card.interface(args, netns)], "dns": conf.get("dns", {})}, args.version
    )


def _create(args: Args, conf: Conf, netns: str) -> Commands:
    """createMacvlan(). Raises CniError."""
    mode = conf.get("mode") or "bridge"
    if mode not in macvlan.MODES:
        raise CniError(f'unknown macvlan mode: "{mode}"')
    try:
        mac = veth.parse_mac(conf["mac"])
    except CniError as error:
        raise CniError(f"invalid args {conf['mac']} for MAC addr: {error.msg}") from None
    except CommandError as error:
        raise CniError(f"failed to create macvlan: {kernel_words(error)}") from None
    if args.world.get(link.key(netns, args.ifname)) is not None:
        raise CniError(f'failed to rename macvlan to "{args.ifname}": file exists')
    try:
        yield from macvlan.add(
            args.world, args.node, args.ifname, conf["master"], mode, mac, conf.get("mtu", 0), into=netns
        )
    except CommandError as error:
        raise CniError(f"failed to create macvlan: {kernel_words(error)}") from None


def _delete(args: Args) -> Commands:
    conf = _load(args)
    if conf["ipam"]:
        yield from delegate(args, conf["ipam"])
    if args.netns_path:
        yield from card.removed(args)


def _check(args: Args) -> Commands:
    conf, netns = _load(args), card.netns_of(args)
    if conf["ipam"]:
        yield from delegate(args, conf["ipam"])
    result = args.previous
    if result is None:
        raise CniError("Required prevResult missing")
    _check_link(args, conf, netns, iface.of_container(args, result))
    iface.check_addresses(args, netns, result.get("ips") or ())
    iface.check_routes(args, netns, result.get("routes") or ())


def _check_link(args: Args, conf: Conf, netns: str, said: spec.Result) -> None:
    name = said["name"]
    found: Link | None = args.world.get(link.key(netns, name))
    if found is None:
        raise CniError(f"Container Interface name in prevResult: {name} not found")
    if not isinstance(found.spec, Macvlan):
        raise CniError(f"Error: Container interface {name} not of type macvlan")
    mode = conf.get("mode") or "bridge"
    if found.spec.mode != mode:
        words = f"Container macvlan mode {found.spec.mode} does not match expected value: {mode}"
        raise CniError(words)
    if said.get("mac") not in (None, "", found.mac):
        raise CniError(f"Interface {name} Mac {said['mac']} doesn't match container Mac: {found.mac}")


def _load(args: Args) -> Conf:
    """loadConf(): the configuration, its master, its MAC. Raises CniError."""
    conf = dict(_read(args.call.stdin))
    conf["master"] = conf.get("master") or card.of_default_route(args)
    master = card.found(args, conf["master"])
    if not 0 <= conf.get("mtu", 0) <= master.mtu:
        raise CniError(f"invalid MTU {conf['mtu']}, must be [0, master MTU({master.mtu})]")
    asked = args.cni_args(MAC=str).get("MAC")
    conf["mac"] = conf.get("runtimeConfig", {}).get("mac") or asked or conf.get("mac", "")
    conf["ipam"] = conf.get("ipam", {}).get("type", "")
    return conf


@lru_cache(maxsize=256)
def _read(stdin: str) -> Conf:
    return skel.load(stdin, _CONF, "failed to load netconf")


macvlan_plugin = plugin("macvlan", _add, _delete, _check)
