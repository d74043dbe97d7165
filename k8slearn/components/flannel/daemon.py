"""flanneld's process on a node: its container, its flags, its configuration, and what it keeps in mind.

Left out: environment variables (``FLANNELD_…``) as flags.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from k8slearn.cni import cri
from k8slearn.cni.cri import Container
from k8slearn.components.flannel.lease import Lease
from k8slearn.journal import Commands, Key, Put, Table, World

PROGRAM = "flanneld"
NET_CONF = "net-conf.json"
Obj = dict[str, Any]


class NetConf(NamedTuple):
    """net-conf.json: the network of all pods (with ``EnableIPv6`` two), and the backend with its settings."""

    networks: tuple[str, ...]
    backend: str
    settings: Obj
    nftables: bool = False

    def network(self, six: bool) -> str:
        """The network of one family, if there is one."""
        return next((network for network in self.networks if (":" in network) == six), "")


class State(NamedTuple):
    """What one flanneld process remembers: nothing, after a restart."""

    container: str
    config: str
    leases: tuple[Lease, ...] = ()


@dataclass(frozen=True, slots=True)
class Daemon:
    """A flanneld that runs. `node` is the scope of its machine, `config` the text of net-conf.json."""

    name: str
    container: Container
    flags: dict[str, str]
    config: str
    config_map: Key

    @property
    def node(self) -> str:
        return f"node:{self.name}"

    @property
    def object(self) -> Key:
        return ("api", "nodes", self.name)

    @property
    def net(self) -> NetConf:
        """The configuration. Raises ValueError where it is none."""
        return _parsed(self.config)

    def remember(self, leases: tuple[Lease, ...]) -> Commands:
        yield Put(memory(self.name), State(self.container.id, self.config, leases), self.object)


def memory(name: str) -> Key:
    """Where the world keeps what flanneld on this node has in mind."""
    return (f"node:{name}", "flannel", "")


def nodes(world: World) -> list[str]:
    """The nodes on which a flanneld runs."""
    names = sorted(map(str, world.table("api", "nodes")))
    return [name for name in names if cri.runs(world, f"node:{name}", PROGRAM)]


def daemon(world: World, name: str) -> Daemon | None:
    """The flanneld of this node, if one runs."""
    container = world.table(f"node:{name}", "container").index(_running)
    pod: Obj | None = world.get(("api", "pods", container.pod)) if container is not None else None
    if container is None or pod is None or world.get(("api", "nodes", name)) is None:
        return None
    spec = next(c for c in pod["spec"]["containers"] if c["name"] == container.name)
    words = [*(spec.get("command") or ()), *(spec.get("args") or ())]
    return Daemon(name, container, _flags(words), *_config(world, pod))


def _running(rows: Table) -> Container | None:
    return next((row for row in rows.values() if row.program == PROGRAM and row.state == cri.RUNNING), None)


def _flags(words: list[str]) -> dict[str, str]:
    """Go's flags: ``-x``, ``--x`` and ``--x=true`` are the same."""
    pairs = (word.lstrip("-").partition("=") for word in words if word.startswith("-"))
    return {name: value if equals else "true" for name, equals, value in pairs}


def _config(world: World, pod: Obj) -> tuple[str, Key]:
    """net-conf.json out of the ConfigMap that the pod mounts, and that object's key."""
    namespace = pod["metadata"]["namespace"]
    for volume in pod["spec"].get("volumes") or ():
        key = ("api", "configmaps", f"{namespace}/{(volume.get('configMap') or {}).get('name', '')}")
        data = (world.get(key) or {}).get("data") or {}
        if NET_CONF in data:
            return data[NET_CONF], key
    return "", ("api", "pods", f"{namespace}/{pod['metadata']['name']}")


def _parsed(text: str) -> NetConf:
    raw = json.loads(text)
    backend = {key.lower(): value for key, value in (raw.get("Backend") or {}).items()}
    six = (str(raw.get("IPv6Network", "")),) if raw.get("EnableIPv6") else ()
    networks = (*((str(raw.get("Network", "")),) if raw.get("EnableIPv4", True) else ()), *six)
    return NetConf(networks, backend.get("type", "udp"), backend, bool(raw.get("EnableNFTables")))


def dies(world: World, own: Daemon, said: str) -> Commands:
    """The process ends with what it has to say in its log; the kubelet will start another one."""
    dead = replace(own.container, state=cri.EXITED, exit_code=1, reason="Error", finished=world.clock, log=f"{said}\n")
    yield Put(cri.container_key(own.node, dead), dead, own.object)
