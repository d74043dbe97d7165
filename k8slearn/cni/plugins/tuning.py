"""The ``tuning`` plugin: sets a pod's sysctls, and its interface's MAC, MTU, promiscuous and all-multicast mode.

It runs after the plugin that made the interface. What the interface had before is kept in a file on the node, so that
DEL can give it back (an interface that outlives the pod, such as the node's own that was lent to it, must not keep
the pod's MAC). Sysctls go with the namespace: nobody writes those back.

Left out: sysctls that no decision of this engine reads (they are files that do not exist here), ``txQLen``, and the
allow-list in /etc/cni/tuning.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from k8slearn.cni import decode, spec
from k8slearn.cni.decode import BOOL, INT, NETCONF, STRING, Kind, Struct, Texts, Wrong
from k8slearn.cni.skel import Args, Printed, configuration, open_netns, plugin
from k8slearn.cni.spec import CniError
from k8slearn.errors import CommandError
from k8slearn.journal import Commands, Key, Put, Remove
from k8slearn.linux import link, setting, sysctl
from k8slearn.linux.rows import Link

DATA_DIR = "/run/cni/tuning"
_OWN: dict[str, Kind] = {
    "sysctl": Texts(STRING, "map[string]string"),
    "mac": STRING,
    "promisc": BOOL,
    "mtu": INT,
    "allmulti": BOOL,
}
_CONF = Struct(
    "main.TuningConf",
    {
        **NETCONF,
        "dataDir": STRING,
        **_OWN,
        "runtimeConfig": Struct('struct { Mac string "json:\\"mac,omitempty\\"" }', {"mac": STRING}),
        "args": Struct('struct { A *main.IPAMArgs "json:\\"cni\\"" }', {"cni": Struct("main.IPAMArgs", _OWN)}),
    },
)


def _add(args: Args) -> Printed:
    conf = _conf(args)
    result = _previous(args)
    netns = open_netns(args.world, args.node, args.netns_path)
    for key, value in (conf.get("sysctl") or {}).items():
        yield from _write(args, netns, key, value)
    wanted = {name: conf[name] for name in ("mac", "promisc", "mtu", "allmulti") if _says(conf, name)}
    if wanted:
        before = _link(args, netns)
        had = {"mac": before.mac, "promisc": before.promisc, "mtu": before.mtu, "allmulti": before.allmulti}
        kept = {name: had[name] for name in ("mac", "promisc", "mtu", "allmulti") if name in wanted}
        yield Put(_backup(args, conf), json.dumps(kept, indent=1))
        yield from _change(args, netns, wanted)
    for interface in result.get("interfaces") or ():
        if "mac" in wanted and interface["name"] == args.ifname:
            interface["mac"] = wanted["mac"]
    return spec.printed(result, args.version)


def _says(conf: Mapping[str, Any], name: str) -> bool:
    return conf.get(name) is not None if name == "allmulti" else bool(conf.get(name))


def _change(args: Args, netns: str, wanted: Mapping[str, Any]) -> Commands:
    """The interface gets what is wanted of it, in the plugin's order."""
    for name in ("mac", "promisc", "mtu", "allmulti"):
        if name in wanted:
            yield from _CHANGES[name](args, netns, wanted[name])


def _mac(args: Args, netns: str, mac: str) -> Commands:
    digits = re.sub(r"[:.-]", "", mac)
    shapes = (
        r"([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}|([0-9a-fA-F]{2}-){5}[0-9a-fA-F]{2}|([0-9a-fA-F]{4}\.){2}[0-9a-fA-F]{4}"
    )
    if not re.fullmatch(shapes, mac):
        raise CniError(f"invalid args {mac} for MAC addr: address {mac}: invalid MAC address")
    plain = ":".join(digits[at : at + 2] for at in range(0, 12, 2)).lower()
    yield from link.set_mac(args.world, netns, _link(args, netns).name, plain)


_CHANGES: dict[str, Any] = {
    "mac": _mac,
    "promisc": lambda args, netns, on: link.set_promisc(args.world, netns, _link(args, netns).name, on),
    "mtu": lambda args, netns, mtu: link.set_mtu(args.world, netns, _link(args, netns).name, mtu),
    "allmulti": lambda args, netns, on: link.set_fields(args.world, netns, _link(args, netns).name, allmulti=on),
}


def _link(args: Args, netns: str) -> Link:
    found: Link | None = args.world.get(link.key(netns, args.ifname))
    if found is None:
        raise CniError(f'failed to get "{args.ifname}": Link not found')
    return found


def _write(args: Args, netns: str, key: str, value: str) -> Commands:
    """One sysctl, in the pod's own network namespace."""
    file = _file(args, key)
    name = _existing(args, netns, file)
    kept = setting.checked(name, value)
    if kept is None and value:
        raise CniError(f"write {file}: invalid argument")
    if kept is not None:
        yield from setting.write(args.world, netns, name, kept)


def _file(args: Args, key: str) -> str:
    key = key.replace("IFNAME", args.ifname, 1)
    file = posixpath.normpath("/proc/sys/" + key.replace(".", "/"))
    if not file.startswith("/proc/sys/net/"):
        raise CniError(f"invalid net sysctl key: {json.dumps(key)}")
    return file


def _existing(args: Args, netns: str, file: str) -> str:
    """The sysctl that is this file. Raises CniError where there is none."""
    name = file.removeprefix("/proc/sys/").replace("/", ".")
    dev = sysctl.place(name)[1]
    there = not dev or dev in ("all", "default") or args.world.get(link.key(netns, dev)) is not None
    if not there or sysctl.read(args.world, netns, name) is None:
        raise CniError(f"open {file}: no such file or directory")
    return name


def _delete(args: Args) -> Commands:
    """What the interface had before; what cannot be given back is nobody's mistake here."""
    conf = _conf(args)
    kept: str | None = args.world.get(_backup(args, conf))
    if kept is None or not args.netns_path:
        return
    try:
        netns = open_netns(args.world, args.node, args.netns_path)
        _link(args, netns)
    except CniError:
        return
    failed = False
    before: dict[str, Any] = json.loads(kept)
    for name in ("mtu", "mac", "promisc", "allmulti"):
        if name in before:
            try:
                yield from _CHANGES[name](args, netns, before[name])
            except (CniError, CommandError):
                failed = True
    if not failed:
        yield Remove(_backup(args, conf))


def _check(args: Args) -> Commands:
    conf = _conf(args)
    _previous(args)
    netns = open_netns(args.world, args.node, args.netns_path)
    for key, value in (conf.get("sysctl") or {}).items():
        file = _file(args, key)
        now = sysctl.read(args.world, netns, _existing(args, netns, file))
        if now != value:
            raise CniError(f"Error: Tuning configured value of {file} is {value}, current value is {now}")
    row: Link | None = args.world.get(link.key(netns, args.ifname))
    if row is None:
        raise CniError(f"Cannot find container link {args.ifname}")
    _check_link(conf, row)
    yield from ()


def _check_link(conf: Mapping[str, Any], row: Link) -> None:
    promisc = conf.get("promisc", False)
    if conf.get("mac") and conf["mac"] != row.mac:
        words = f"configured Ethernet of {row.name} is {conf['mac']}, current value is {row.mac}"
        raise CniError(f"Error: Tuning {words}")
    if promisc != row.promisc:
        said = str(promisc).lower()
        words = f"link {row.name} configured promisc is {said}, current value is {int(row.promisc)}"
        raise CniError(f"Error: Tuning {words}")
    if conf.get("mtu") and conf["mtu"] != row.mtu:
        raise CniError(f"Error: Tuning configured MTU of {row.name} is {conf['mtu']}, current value is {row.mtu}")
    if conf.get("allmulti") is not None and conf["allmulti"] != row.allmulti:
        said, now = (str(value).lower() for value in (conf["allmulti"], row.allmulti))
        words = f"configured all-multicast mode of {row.name} is {said}, current value is {now}"
        raise CniError(f"Error: Tuning {words}")


def _previous(args: Args) -> spec.Result:
    result = args.previous
    if result is None:
        raise CniError("Required prevResult missing")
    return result


def _backup(args: Args, conf: Mapping[str, Any]) -> Key:
    folder = posixpath.normpath(conf.get("dataDir") or DATA_DIR)
    return (args.node, "file", f"{folder}/{args.container_id}_{args.ifname}.json")


def _conf(args: Args) -> dict[str, Any]:
    """The configuration; CNI_ARGS ``MAC=``, the capability ``mac`` and ``args.cni`` go before it (parseConf)."""
    conf = dict(_read(args.call.stdin))
    said = args.cni_args(MAC=str).get("MAC")
    runtime = (conf.get("runtimeConfig") or {}).get("mac")
    conf |= {"mac": runtime or said} if runtime or said else {}
    own = dict((conf.get("args") or {}).get("cni") or {})
    sysctls = {**(conf.get("sysctl") or {}), **(own.pop("sysctl", None) or {})}
    return {**conf, **own, "sysctl": sysctls}


@lru_cache(maxsize=256)
def _read(stdin: str) -> Mapping[str, Any]:
    try:
        return dict(decode.decode(dict(configuration(stdin)), _CONF))
    except Wrong as wrong:
        raise CniError(f"failed to load netconf: {wrong}") from None


tuning = plugin("tuning", _add, _delete, _check)
