"""The kubelet: the agent on a node that turns the pods that were placed there into sandboxes, containers and a status.

Read `sync` first: it is one pod's life. `admission` lets it in. `sandbox` makes and breaks its network namespace and
pause container, `network` calls CNI (or kubenet), `containers` starts, restarts and kills, `programs` says what an
image listens on, `probes` asks whether it is well (`probing` is one try, `commands` what a command comes to),
`status` tells the API. `node` speaks for the node itself, `heartbeat` is its sign of life, `static` are the pods that
a file on the node describes, `log` is what it can tell nobody. How it talks to the container runtime depends on the
version dial: to containerd since 1.24, to Docker through dockershim before.

Left out: images that cannot be pulled, volumes, resources, eviction, exec and port-forward."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from k8slearn.cni import cri
from k8slearn.cni.runtime import CONFIG_DIR
from k8slearn.components import DAEMON, SILENT
from k8slearn.components.kubelet import heartbeat, network, node, probes, retry, static, sync
from k8slearn.components.kubelet.network import is_kubenet
from k8slearn.components.kubelet.pod import OWN, attends, on_node
from k8slearn.journal import Commands, Key, World

NODE, REGISTER, PROBE, HOUSEKEEPING = "node/", "register/", "probe/", "housekeeping/"


class Kubelet:
    """Keys: pods as ``namespace/name``; ``node/NAME`` for a node's status, ``register/NAME`` when a kubelet starts,
    ``probe/POD`` when a probe of a pod ticks, ``housekeeping/NAME`` when a node's kubelet
    has to look what it should have and what it has."""

    name = "kubelet"

    def watches(self) -> Mapping[str, str]:
        return {
            "settings": "it starts with the cluster",
            "pods": "those on its node",
            "nodes": "its own: the pod CIDR",
            "sandbox": "a pause container that died",
            "container": "a container that died",
            "netns": "a pod's namespace that went away; its machine, that was booted",
            DAEMON: "itself, or its runtime, stopped and started",
            SILENT: "the API server, that it reaches again",
            OWN: "its static pods, and what it remembers",
            "file": "the manifests of static pods",
        }

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        scope, table, name = changed
        if table == "pods":
            return (str(name),)
        if table == "file":
            reads = static.is_manifest(name) and scope.startswith("node:")
            return (HOUSEKEEPING + scope.removeprefix("node:"),) if reads else ()
        if table == OWN:
            gone = world.get(changed) is None
            return (str(name), HOUSEKEEPING + scope.removeprefix("node:")) if gone else (str(name),)
        if table in ("sandbox", "container"):
            row = world.get(changed)
            return (row.pod,) if row is not None else ()
        if table == "netns":
            return _in_netns(world, scope) if "/" in scope else _starts(world, scope)
        if table == DAEMON:
            return (_starts if name == self.name else _machine)(world, scope)
        if table == SILENT:
            return _heard_again(world, str(name)) if world.get(changed) is None else ()
        if table == "settings":
            settings = world.get(changed)
            return [REGISTER + name for name, _ in settings.nodes] if settings is not None else ()
        return (
            _on(world, str(name))
            if is_kubenet(world, f"node:{name}")
            else (NODE + str(name), *_waiting(world, str(name)))
        )

    def reconcile(self, world: World, key: str) -> Commands:
        """A pod (or node) is looked at; whatever is written is written because of it."""
        if key.startswith((NODE, REGISTER, HOUSEKEEPING)):
            kind, _, name = key.partition("/")
            cause: Key = ("api", "nodes", name)
            commands = _look_after(world, name, kind + "/")
        else:
            cause = ("api", "pods", key.removeprefix(PROBE))
            probing = key.startswith(PROBE)
            commands = sync.probe(world, cause[2]) if probing else sync.pod(world, key)
        for command in commands:
            yield command if command.cause is not None else command._replace(cause=cause)

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        for when, name in heartbeat.timers(world):
            yield when, NODE + name
        yield from retry.timers(world)
        for when, pod in probes.timers(world):
            yield when, PROBE + pod


class FirstProbes:
    """The kubelet asks a container that has just started whether it is ready. Keys: pods, by path.

    It does so when the network plugin's agents have heard of the pod: they do within milliseconds of its sandbox, and a
    container takes longer than that to start.
    """

    name = "kubelet"

    def watches(self) -> Mapping[str, str]:
        return {"probe": "a worker that has not tried yet"}

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        row, name = world.get(changed), changed[2]
        return (
            (name[0],)
            if row is not None and isinstance(name, tuple) and probes.is_new(name[2], row, world.clock)
            else ()
        )

    def reconcile(self, world: World, key: str) -> Commands:
        for command in sync.probe(world, key, probes.begin):
            yield command if command.cause is not None else command._replace(cause=("api", "pods", key))

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        return ()


class RuntimeStatus:
    """The kubelet asks the container runtime every few seconds whether it has a network. Keys: nodes, by name.

    It does so after all else that happens at an instant: an agent that is started together with the configuration is
    up before the first pod asks for it.
    """

    name = "kubelet"

    def watches(self) -> Mapping[str, str]:
        return {"file": "the network configuration in /etc/cni/net.d"}

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        scope, _, name = changed
        wires = str(name).startswith(CONFIG_DIR) and scope.startswith("node:")
        return (scope.removeprefix("node:"),) if wires else ()

    def reconcile(self, world: World, key: str) -> Commands:
        for command in node.report(world, key):
            yield command._replace(cause=command.cause or ("api", "nodes", key))

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        return ()


def _waiting(world: World, name: str) -> list[str]:
    """The pods that have waited for their node to have a network, once it has."""
    if network.not_ready(world, f"node:{name}"):
        return []
    return [key for key in on_node(world, name) if not cri.sandboxes(world, f"node:{name}", key)]


def _look_after(world: World, name: str, kind: str) -> Commands:
    """What a node's kubelet does for itself: at its start, when it has to look around, or at any other time."""
    if kind == HOUSEKEEPING:
        yield from _housekeeping(world, name)
        return
    yield from heartbeat.check(world, name)
    if kind == NODE:
        yield from node.report(world, name)
        return
    yield from heartbeat.forget(world, name)
    yield from node.register(world, name)
    yield from _housekeeping(world, name)


def _housekeeping(world: World, name: str) -> Commands:
    """HandlePodCleanups: the manifests are read, and what belongs to no pod that the kubelet knows is stopped."""
    if attends(world, name):
        yield from static.read(world, name)
        yield from sync.sweep(world, f"node:{name}")


def _heard_again(world: World, name: str) -> list[str]:
    """The API server is reached (again): a kubelet that could not register does so now."""
    return _on(world, name) if world.get(("api", "nodes", name)) is not None else _starts(world, f"node:{name}")


def _starts(world: World, machine: str) -> list[str]:
    """A kubelet that starts (or stops): its node, and then every pod on it."""
    name = machine.removeprefix("node:")
    return [REGISTER + name, *on_node(world, name)] if machine.startswith("node:") else []


def _machine(world: World, machine: str) -> list[str]:
    return _on(world, machine.removeprefix("node:"))


def _on(world: World, name: str) -> list[str]:
    """The node itself, then every pod on it."""
    return [NODE + name, *on_node(world, name)]


def _in_netns(world: World, scope: str) -> list[str]:
    """The pod whose namespace has gone away."""
    if world.get((scope, "netns", "")) is not None:
        return []
    machine = scope.partition("/")[0]
    return [row.pod for row in world.table(machine, "sandbox").values() if row.netns == scope]
