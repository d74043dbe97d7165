"""The ``flannel`` plugin: it asks flanneld's file which addresses this node has, and lets ``bridge`` do the work.

A **meta-plugin** wires nothing itself. At ADD it reads /run/flannel/subnet.env, which flanneld wrote::

    FLANNEL_NETWORK=10.244.0.0/16      the pods of all nodes: a route to them, by the bridge
    FLANNEL_SUBNET=10.244.1.1/24       the pods of this node: host-local's range
    FLANNEL_IPV6_NETWORK, _SUBNET      the same of the second family, where flannel has one
    FLANNEL_MTU=1450                   the pods' MTU: room for the headers of the overlay
    FLANNEL_IPMASQ=true                flanneld masquerades, so the bridge must not

It makes a configuration of that and of its own ``delegate``, keeps it in /var/lib/cni/flannel/ID and calls the
delegate with it. DEL calls the delegate with what was kept, whatever subnet.env says by now, and succeeds where
nothing was (flannel-io/cni-plugin flannel.go, flannel_linux.go).

Left out: nothing. CHECK does nothing, in the real one too.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import replace
from typing import Any, NamedTuple

from k8slearn.cni import spec
from k8slearn.cni.skel import Args, Printed, delegate, plugin, typed
from k8slearn.cni.spec import CniError
from k8slearn.journal import Command, Commands, Put, Remove
from k8slearn.linux import ip

SUBNET_FILE, DATA_DIR = "/run/flannel/subnet.env", "/var/lib/cni/flannel"
SET_BY_FLANNEL = "'delegate' dictionary must not have '{}' field, it'll be set by flannel"
Obj = dict[str, Any]


class SubnetEnv(NamedTuple):
    """What flanneld says of this node."""

    networks: tuple[str, ...]
    subnets: tuple[str, ...]
    """One of each family that flannel has."""
    mtu: int
    ipmasq: bool


def _add(args: Args) -> Printed:
    env = _subnet_env(args)
    config = _delegated(args, env)
    text = json.dumps(config, sort_keys=True, separators=(",", ":"))
    yield Put((args.node, "file", _kept(args)), text)
    return spec.printed((yield from _call(args, config["type"], text)), args.version)


def _delete(args: Args) -> Commands:
    text: str | None = args.world.get((args.node, "file", _kept(args)))
    if text is None:
        return
    try:
        kind = json.loads(text)["type"]
    except (ValueError, KeyError, TypeError):
        return
    yield from _call(args, kind, text)
    yield Remove((args.node, "file", _kept(args)))


def _check(args: Args) -> Commands:
    yield from ()


def _call(args: Args, kind: str, text: str) -> Generator[Command, None, spec.Result]:
    """Run the delegate with a configuration of its own."""
    return (yield from delegate(replace(args, call=replace(args.call, stdin=text)), kind))


def _kept(args: Args) -> str:
    return f"{typed(args.config, 'dataDir', DATA_DIR, 'NetConf')}/{args.container_id}"


def _delegated(args: Args, env: SubnetEnv) -> Obj:
    """The delegate's configuration: what flannel's own says of it, and the rest from subnet.env."""
    given: Obj = typed(args.config, "delegate", {}, "NetConf")
    if "type" in given and not isinstance(given["type"], str):
        raise CniError("'delegate' dictionary, if present, must have (string) 'type' field")
    for field in ("name", "ipam"):
        if field in given:
            raise CniError(SET_BY_FLANNEL.format(field))
    config = {"type": "bridge", "ipMasq": not env.ipmasq, "mtu": env.mtu, **given, "name": args.name}
    if config["type"] == "bridge":
        config = {"isGateway": True, **config}
    if args.config.get("cniVersion"):
        config["cniVersion"] = args.config["cniVersion"]
    if args.config.get("runtimeConfig"):
        config["runtimeConfig"] = args.config["runtimeConfig"]
    own: Obj = typed(args.config, "ipam", {}, "NetConf")
    ranges = [[{"subnet": subnet}] for subnet in env.subnets]
    routes = [*(own.get("routes") or ()), *({"dst": network} for network in env.networks)]
    return {**config, "ipam": {"type": "host-local", **own, "ranges": ranges, "routes": routes}}


def _subnet_env(args: Args) -> SubnetEnv:
    path = typed(args.config, "subnetFile", SUBNET_FILE, "NetConf")
    text: str | None = args.world.get((args.node, "file", path))
    try:
        if text is None:
            raise ValueError(f"open {path}: no such file or directory")
        return _read(path, text)
    except ValueError as error:
        words = f"failed to load flannel 'subnet.env' file: {error}. Check the flannel pod log for this node."
        raise CniError(words) from None


def _read(path: str, text: str) -> SubnetEnv:
    """The file's lines. Raises ValueError in the plugin's words."""
    said = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    missing = [name for name in ("FLANNEL_MTU", "FLANNEL_IPMASQ") if name not in said]
    for name in ("SUBNET", "NETWORK"):
        if not {f"FLANNEL_{name}", f"FLANNEL_IPV6_{name}"} & set(said):
            missing[:0] = [f"FLANNEL_{name}", f"FLANNEL_IPV6_{name}"]
    if missing:
        raise ValueError(f"{path} is missing {', '.join(missing)}")
    networks, subnets = (
        [
            _network(each)
            for six in ("", "IPV6_")
            for each in filter(None, said.get(f"FLANNEL_{six}{name}", "").split(","))
        ]
        for name in ("NETWORK", "SUBNET")
    )
    try:
        mtu = int(said["FLANNEL_MTU"])
    except ValueError:
        raise ValueError(f"strconv.ParseUint: parsing {json.dumps(said['FLANNEL_MTU'])}: invalid syntax") from None
    return SubnetEnv(tuple(dict.fromkeys(networks)), tuple(subnets), mtu, said["FLANNEL_IPMASQ"] == "true")


def _network(cidr: str) -> str:
    try:
        if "/" not in cidr:
            raise ValueError
        base, prefix = ip.network(cidr)
    except ValueError:
        raise ValueError(f"invalid CIDR address: {cidr}") from None
    return f"{ip.text(base, ip.bits(cidr))}/{prefix}"


flannel = plugin("flannel", _add, _delete, _check, vendor=True)
