"""What the kubelet tells the API of its node: that it exists, where, in which version, and whether pods can have a
network there.

Without a network plugin a node stays NotReady: the kubelet says why in the condition ``Ready``, in the runtime's words.

Of its configuration file, ``/var/lib/kubelet/config.yaml``, one field counts: ``maxPods``, 110 where it says nothing.
It is read when the kubelet starts (``systemctl restart kubelet``).

Left out: pressure conditions that hold, real capacities, the other fields of the configuration.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from k8slearn.api.admit import stamped, timestamp, uid
from k8slearn.api.events import event
from k8slearn.cni import ec2, kubenet
from k8slearn.components import DAEMON, FAILED, Settings, is_silent, runs
from k8slearn.components.kubelet import dial, flags, log, network
from k8slearn.components.kubelet.pod import node_address, node_addresses
from k8slearn.errors import Refused
from k8slearn.journal import Commands, Key, Put, World, digest

Obj = dict[str, Any]
CAPACITY = {"cpu": "4", "ephemeral-storage": "61255492Ki", "memory": "8139276Ki", "pods": "110"}
SYSTEM = {
    "architecture": "amd64",
    "kernelVersion": "6.18.0",
    "operatingSystem": "linux",
    "osImage": "Debian GNU/Linux 13 (trixie)",
}
PRESSURES = (
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)
CONFIG = "/var/lib/kubelet/config.yaml"
IS_READY = "kubelet is posting ready status"
ZONE = "topology.kubernetes.io/zone"
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"


def register(world: World, name: str) -> Commands:
    """The kubelet starts: it makes its node's object unless there is one, and then reports.

    One that does not reach the API server tries until it does (`registerWithAPIServer`): there is no such node yet.
    """
    node = f"node:{name}"
    if not runs(world, node, "kubelet"):
        return
    try:
        told = flags.read(world, node)
    except Refused as error:
        yield Put((node, DAEMON, "kubelet"), FAILED)
        yield log.said(world, node, f"Error: {error}")
        return
    if told != flags.of(world, node):
        yield Put(flags.key(node), told)
    if told.network_plugin == "kubenet":
        yield from kubenet.start(world, node, told.kubenet)
    if is_silent(world, name):
        return
    if world.get(_key(name)) is None:
        yield Put(_key(name), _object(world, name))
    else:
        yield from _started(world, name)
    yield from report(world, name, starting=True)


def _started(world: World, name: str) -> Commands:
    """A kubelet that starts where there was one before says so, and whether the machine has been booted meanwhile."""
    before, boot = world.get(_key(name)), _boot_id(world, name)
    yield event(world, before, "Starting", "Starting kubelet.", "kubelet", "Normal", name)
    if before["status"]["nodeInfo"]["bootID"] != boot:
        message = f"Node {name} has been rebooted, boot id: {boot}"
        yield event(world, before, "Rebooted", message, "kubelet", "Warning", name)


def _boot_id(world: World, name: str) -> str:
    """The kernel draws one at each boot."""
    count = world.get((f"node:{name}", "boot", ""))
    if count is None:
        before = (world.get(_key(name)).get("status") or {}).get("nodeInfo") or {}
        return str(before.get("bootID") or uid(world, "machine", name))
    bits = digest("boot", name, count, length=32)
    return f"{bits[:8]}-{bits[8:12]}-{bits[12:16]}-{bits[16:20]}-{bits[20:]}"


def report(world: World, name: str, starting: bool = False) -> Commands:
    """The node's status, if it is not what the API has."""
    node: Obj | None = world.get(_key(name))
    if node is None or not runs(world, f"node:{name}", "kubelet") or is_silent(world, name):
        return
    before: Obj = node.get("status") or {}
    now = _status(world, name, before, starting or not before)
    if now == before:
        return
    yield Put(_key(name), stamped(world, {**node, "status": now}))
    yield from _announce(world, name, before, now)


def _key(name: str) -> Key:
    return ("api", "nodes", name)


def _object(world: World, name: str) -> Obj:
    settings: Settings = world.get(("cluster", "settings", ""))
    labels = {
        "beta.kubernetes.io/arch": SYSTEM["architecture"],
        "beta.kubernetes.io/os": SYSTEM["operatingSystem"],
        "kubernetes.io/arch": SYSTEM["architecture"],
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": SYSTEM["operatingSystem"],
    }
    if settings.network == "vpc":
        labels["node.kubernetes.io/instance-type"] = ec2.INSTANCE_TYPE
    if name == settings.nodes[0][0]:
        labels |= {CONTROL_PLANE: "", "node.kubernetes.io/exclude-from-external-load-balancers": ""}
    subnet = settings.subnet_of(node_address(world, f"node:{name}"))
    if subnet is not None and subnet.zone:
        labels[ZONE] = subnet.zone
    metadata = {
        "name": name,
        "uid": uid(world, "nodes", name),
        "creationTimestamp": timestamp(world.clock),
        "resourceVersion": str(world.revision),
        "labels": labels,
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {}}


def _status(world: World, name: str, before: Obj, starting: bool) -> Obj:
    version = dial.of(world)
    capacity = {**CAPACITY, "pods": _max_pods(world, name)} if starting else before["capacity"]
    internal = node_addresses(world, f"node:{name}")
    addresses = [{"type": "InternalIP", "address": address} for address in internal]
    addresses.append({"type": "Hostname", "address": name})
    identity = uid(world, "machine", name) if not before else before["nodeInfo"]["machineID"]
    proxy = {"kubeProxyVersion": version.version} if version.minor < 33 else {}
    info = {
        **SYSTEM,
        "bootID": _boot_id(world, name),
        "machineID": identity,
        "systemUUID": identity,
        "containerRuntimeVersion": version.runtime,
        "kubeletVersion": version.version,
        **proxy,
    }
    return {
        **before,
        "addresses": addresses,
        "allocatable": capacity,
        "capacity": capacity,
        "conditions": list(_conditions(world, name, before)),
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": info,
    }


def _max_pods(world: World, name: str) -> str:
    """How many pods the kubelet takes, by its configuration; in a VPC, as many as the instance has addresses for."""
    settings: Settings = world.get(("cluster", "settings", ""))
    said = re.search(r"(?m)^maxPods:\s*(\d{1,5})\s*$", world.get((f"node:{name}", "file", CONFIG)) or "")
    usual = str(ec2.MAX_PODS) if settings.network == "vpc" else CAPACITY["pods"]
    return said[1] if said is not None else usual


def _conditions(world: World, name: str, before: Obj) -> Iterator[Obj]:
    """Those of others (NetworkUnavailable) first, then the kubelet's own."""
    known = {c["type"]: c for c in before.get("conditions") or ()}
    reason = network.not_ready(world, f"node:{name}")
    ready = ("Ready", not reason, "KubeletNotReady" if reason else "KubeletReady", reason or IS_READY)
    ours = [*((kind, False, why, said) for kind, why, said in PRESSURES), ready]
    yield from (c for kind, c in known.items() if kind not in {o[0] for o in ours})
    now = timestamp(world.clock)
    for kind, holds, why, said in ours:
        value, old = "True" if holds else "False", known.get(kind)
        moved = old["lastTransitionTime"] if old is not None and old["status"] == value else now
        beat = old["lastHeartbeatTime"] if old is not None and old["message"] == said else now
        yield {
            "type": kind,
            "status": value,
            "lastHeartbeatTime": beat,
            "lastTransitionTime": moved,
            "reason": why,
            "message": said,
        }


def _announce(world: World, name: str, before: Obj, now: Obj) -> Commands:
    """NodeReady and NodeNotReady, when it changes."""
    was, is_ = (_ready(status) for status in (before, now))
    if was == is_ or (was is None and is_ == "False"):
        return
    reason = "NodeReady" if is_ == "True" else "NodeNotReady"
    message = f"Node {name} status is now: {reason}"
    yield event(world, world.get(_key(name)), reason, message, "kubelet", "Normal", name)


def _ready(status: Obj) -> str | None:
    return next((str(c["status"]) for c in status.get("conditions") or () if c["type"] == "Ready"), None)
