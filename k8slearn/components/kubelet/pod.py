"""A pod as the kubelet of its node sees it, and the events that it tells of it.

Most pods are objects of the API. Some are the kubelet's `OWN`: it goes by a copy that it keeps, a row
``("node:node-1", "own", "default/web")``. Those are static pods, which a file on the node describes (`static`), and
while a kubelet is cut off from the API server all that it had (`heartbeat`): it goes on with what it remembers, its
events reach nobody and stand in its log.

Left out: events that are told once the API server is back (in life the last hundred seconds' are).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from k8slearn.api.admit import seconds
from k8slearn.api.defaults import MIRROR
from k8slearn.api.events import event
from k8slearn.components import Settings, is_silent, runs
from k8slearn.components.kubelet import dial, log
from k8slearn.components.kubelet.dial import Dial
from k8slearn.journal import Key, Put, Table, World

Obj = dict[str, Any]
OWN = "own"
SOURCE = "kubernetes.io/config.source"


@dataclass(frozen=True, slots=True)
class Pod:
    """One look at a pod. `key` is ``namespace/name``, `node` the scope of its machine."""

    world: World
    key: str
    obj: Obj
    node: str
    dial: Dial
    own: bool = False
    """Does the kubelet go by a copy of its own?"""

    @property
    def row(self) -> Key:
        """Where the pod stands that the kubelet goes by."""
        return (self.node, OWN, self.key) if self.own else ("api", "pods", self.key)

    @property
    def static(self) -> bool:
        return is_static(self.obj)

    @property
    def cut_off(self) -> bool:
        """Does its kubelet not reach the API server?"""
        return is_silent(self.world, self.node.removeprefix("node:"))

    @property
    def spec(self) -> Obj:
        spec: Obj = self.obj["spec"]
        return spec

    @property
    def uid(self) -> str:
        return str(self.obj["metadata"].get("uid", ""))

    @property
    def namespace(self) -> str:
        return self.key.partition("/")[0]

    @property
    def name(self) -> str:
        return self.key.partition("/")[2]

    @property
    def full_name(self) -> str:
        """As the kubelet's messages have it: ``web_default(UID)``."""
        return f"{self.name}_{self.namespace}({self.uid})"

    @property
    def host_network(self) -> bool:
        return bool(self.spec.get("hostNetwork"))

    @property
    def restart_policy(self) -> str:
        return str(self.spec.get("restartPolicy") or "Always")

    @property
    def host_ip(self) -> str:
        return node_address(self.world, self.node)

    @property
    def host_ips(self) -> tuple[str, ...]:
        return node_addresses(self.world, self.node)

    @property
    def started(self) -> float:
        """The second at which the kubelet first looked at it."""
        start = (self.obj.get("status") or {}).get("startTime")
        return seconds(start) if start else self.world.clock

    @property
    def expires(self) -> float:
        """The second at which ``activeDeadlineSeconds`` are over; without them, never."""
        limit = self.spec.get("activeDeadlineSeconds")
        return float("inf") if limit is None else float(limit) + self.started

    @property
    def expired(self) -> bool:
        return self.expires <= self.world.clock

    def container(self, name: str) -> Obj:
        """The part of the spec that describes this container, init containers included."""
        specs = (*(self.spec.get("initContainers") or ()), *self.spec["containers"])
        return next((spec for spec in specs if spec["name"] == name), {})

    def call(self, method: str, **told: object) -> Put:
        """The command by which the runtime is asked for something of this pod."""
        return self.dial.call(self.world, self.node, self.key, method, **told)

    def say(self, reason: str, message: str, kind: str = "Normal", container: str = "", init: bool = False) -> Put:
        """The command that records an event about this pod, or about one of its containers."""
        part = "initContainers" if init else "containers"
        field = f"spec.{part}{{{container}}}" if container else ""
        host = self.node.removeprefix("node:")
        if self.cut_off:
            return log.unsent(self.world, self.node, self.key, reason, message)
        return event(self.world, self.obj, reason, message, "kubelet", kind, host, field)

    def warn_once(self, reason: str, message: str, container: str = "", init: bool = False) -> Iterator[Put]:
        """A warning that is told at most once at each instant, however often the kubelet looks."""
        said = self.say(reason, message, "Warning", container, init)
        before = self.world.get(said.key)
        if self.cut_off or before is None or before["lastTimestamp"] != said.value["lastTimestamp"]:
            yield said


def find(world: World, key: str) -> list[Pod]:
    """The pod with this key as each kubelet knows it that is at work and has it: one, or none. They are more while a
    node is cut off that does not know yet that its pod was replaced."""
    own = [node for node in machines(world) if world.get((node, OWN, key)) is not None]
    found = [Pod(world, key, world.get((node, OWN, key)), node, dial.of(world), True) for node in own]
    obj: Obj | None = world.get(("api", "pods", key))
    name = obj["spec"].get("nodeName") if obj is not None else None
    if obj is not None and name and f"node:{name}" not in own and not is_mirror(obj) and hears(world, name):
        found.append(Pod(world, key, obj, f"node:{name}", dial.of(world)))
    return found


def is_static(obj: Obj) -> bool:
    """Is this a pod that a file on the node describes?"""
    return (obj["metadata"].get("annotations") or {}).get(SOURCE) == "file" and not is_mirror(obj)


def is_mirror(obj: Obj) -> bool:
    """Does this object of the API only show a static pod?"""
    return MIRROR in (obj["metadata"].get("annotations") or {})


def attends(world: World, name: str) -> bool:
    """Is this node's kubelet at work: it runs, and so does its runtime?"""
    node = f"node:{name}"
    return runs(world, node, "kubelet") and runs(world, node, "containerd")


def hears(world: World, name: str) -> bool:
    """Is it at work, and hears of the API server?"""
    return attends(world, name) and not is_silent(world, name)


def on_node(world: World, name: str) -> list[str]:
    """The pods that are bound to a node, and what else its kubelet or its runtime knows of."""
    node = f"node:{name}"
    bound = world.table("api", "pods").index(_by_node).get(name, [])
    left = (row.pod for row in world.table(node, "sandbox").values())
    return list(dict.fromkeys((*bound, *map(str, world.table(node, OWN)), *left)))


def _by_node(pods: Table) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key in sorted(map(str, pods)):
        found.setdefault(pods[key]["spec"].get("nodeName") or "", []).append(key)
    return found


def machines(world: World) -> list[str]:
    """The scopes of all machines whose kubelets are at work."""
    settings: Settings | None = world.get(("cluster", "settings", ""))
    return [f"node:{name}" for name, _ in settings.nodes if attends(world, name)] if settings is not None else []


def node_address(world: World, node: str) -> str:
    """The node's address on the node network; in a dual-stack cluster the IPv4 one."""
    return next(iter(node_addresses(world, node)), "")


def node_addresses(world: World, node: str) -> tuple[str, ...]:
    """The node's addresses on the node network (``--node-ip``), IPv4 first."""
    settings: Settings | None = world.get(("cluster", "settings", ""))
    return settings.node_addresses(node.removeprefix("node:")) if settings is not None else ()
