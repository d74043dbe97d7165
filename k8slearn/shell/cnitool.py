"""``cnitool``: run a network configuration by hand, without any container runtime (github.com/containernetworking/cni).

It looks for the network in NETCONFPATH (else /etc/cni/net.d) and for plugins in CNI_PATH, which must be said. The
container's id is made of the namespace's path, CAP_ARGS are the capabilities as JSON, CNI_IFNAME is ``eth0``::

    CNI_PATH=/opt/cni/bin cnitool add mynet /var/run/netns/testing

Left out: the options of its later releases (``--ifname``).
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Generator
from typing import Any

from k8slearn.cni import netconf, runtime, spec
from k8slearn.cni.netconf import Network
from k8slearn.cni.runtime import Attachment
from k8slearn.cni.skel import go_words
from k8slearn.cni.spec import CniError
from k8slearn.journal import Command, World
from k8slearn.linux.program import Result, Running
from k8slearn.shell.process import Process

USAGE = "cnitool: Add, check, remove, gc or status network interfaces from a network namespace\n" + "".join(
    f"  cnitool {command:<6} <net> <netns>\n" for command in ("add", "check", "del", "gc", "status")
)


def program(process: Process) -> Running:
    """Run ``cnitool COMMAND NETWORK NETNS``."""
    if len(process.argv) < 3:
        return Result("", USAGE, 1)
    command, name, netns = process.argv[:3]
    try:
        folder = process.env.get("NETCONFPATH") or netconf.CONFIG_DIR.rstrip("/")
        network = netconf.load(process.world.table(process.machine, "file"), folder, name)
        to = _attachment(process, posixpath.normpath(posixpath.join("/", netns)))
        if command in COMMANDS:
            return Result((yield from COMMANDS[command](process.world, network, to)))
    except CniError as error:
        return Result("", f"{error}\n", 1)
    return Result()


def _attachment(process: Process, netns: str) -> Attachment:
    env, args = process.env, process.env.get("CNI_ARGS", "")
    capabilities = env.get("CAP_ARGS") or "{}"
    try:
        if not isinstance(json.loads(capabilities), dict):
            raise CniError("json: cannot unmarshal into Go value of type map[string]interface {}")
    except ValueError as error:
        raise CniError(go_words(capabilities, error)) from None
    for pair in args.split(";") if args else ():
        if pair.count("=") != 1 or not all(pair.split("=")):
            raise CniError(f"invalid CNI_ARGS pair {json.dumps(pair)}")
    container_id = f"cnitool-{hashlib.sha512(netns.encode()).digest()[:10].hex()}"
    ifname = env.get("CNI_IFNAME", "eth0")
    return Attachment(process.machine, container_id, netns, ifname, args, capabilities, env.get("CNI_PATH", ""))


Doing = Generator[Command, None, str]
"""What a command prints."""


def _add(world: World, network: Network, to: Attachment) -> Doing:
    result = yield from runtime.add_printed(world, network, to)
    return spec.pretty(spec.by_library(result)).rstrip("\n")


def _check(world: World, network: Network, to: Attachment) -> Doing:
    yield from runtime.check(world, network, to)
    return ""


def _delete(world: World, network: Network, to: Attachment) -> Doing:
    yield from runtime.delete(world, network, to)
    return ""


def _gc(world: World, network: Network, to: Attachment) -> Doing:
    """Nothing is valid to it: every interface of the network goes."""
    yield from runtime.gc(world, network, to.node, path=to.path)
    return ""


def _status(world: World, network: Network, to: Attachment) -> Doing:
    yield from runtime.status(world, network, to.node, to.path)
    return ""


COMMANDS: dict[str, Any] = {"add": _add, "check": _check, "del": _delete, "gc": _gc, "status": _status}
