"""CoreDNS: the cluster's names. A pod whose container runs it answers questions on port 53, as its Corefile says.

::

    Deployment coredns ── 2 pods ── /etc/coredns/Corefile from the ConfigMap coredns
    Service kube-dns 10.96.0.10 ── kube-proxy's rules lead there, like to any Service
    every pod's /etc/resolv.conf says ``nameserver 10.96.0.10`` (the kubelet writes it)

There is nothing special about it: queries are packets to a Service, and what keeps packets from a pod keeps names from
everybody. It works where a container of that program runs, whoever applied it. ``health`` answers on 8080; ``ready``
on 8181 says 503 until the API server has been reached once, through the Service ``kubernetes`` like from any pod.

A changed ConfigMap counts at once where the Corefile has ``reload`` (in life within two minutes: the kubelet syncs its
volume, then CoreDNS looks every 30 s); without ``reload`` it counts when the container starts again. A Corefile that
cannot be read ends the container at its start, and is passed over at a reload.

Reading order: `corefile` (what it is told), `query` (the way through the plugins), `kubernetes` and `records` (the
cluster's names), `plugins` (the others), `server` (bytes in, bytes out).

Left out: metrics, and what each of those rooms leaves out. Source: coredns/coredns 1.13.1, kubernetes/kubernetes
cmd/kubeadm/app/phases/addons/dns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Mapping
from dataclasses import replace
from typing import Any

from k8slearn.cni import cri
from k8slearn.cni.cri import Container, Sandbox
from k8slearn.components.coredns import corefile, files
from k8slearn.components.coredns.files import PROGRAM
from k8slearn.components.coredns.plugins import upstreams
from k8slearn.components.coredns.records import options
from k8slearn.components.coredns.server import Server
from k8slearn.errors import Refused
from k8slearn.journal import Command, Commands, Key, Put, Remove, World, drive
from k8slearn.linux import inet6, ip, nameserver, resolver
from k8slearn.linux.attempt import connect
from k8slearn.linux.listen import page
from k8slearn.linux.rows import Socket

API_PORT = 443
AGAIN = 5.0
"""Seconds until an API server that was not reached is tried again."""
TIMER = "coredns"
"""Rows ``("cluster", "coredns", key) -> second``: when the next try is due."""
PAGES = {"health": ("200 OK", "OK"), "ready": ("200 OK", "OK"), "prometheus": ("200 OK", "")}
UNREADY = ("503 Service Unavailable", "kubernetes")
LOOP = (
    '[FATAL] plugin/loop: Loop ({server}:{port} -> :{port}) detected for zone ".", see '
    "https://coredns.io/plugins/loop#troubleshooting.\n"
)


class CoreDns:
    """Keys: containers, as ``node:node-1 ID``."""

    name = "coredns"

    def watches(self) -> Mapping[str, str]:
        return {
            "container": "its own",
            "configmaps": "its Corefile",
            "services": "the way to the API server",
            "route": "the same",
        }

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        scope, table, name = changed
        if table == "container":
            row = world.get(changed)
            return (f"{scope} {name}",) if row is not None and row.program == PROGRAM else ()
        if table in ("services", "route"):
            return [str(waiting) for waiting in world.table("cluster", TIMER)]
        return [f"{node} {row.id}" for node in _nodes(world) for row in _running(world, node)]

    def reconcile(self, world: World, key: str) -> Commands:
        node, _, identity = key.partition(" ")
        row: Container | None = world.get((node, "container", identity))
        timer: Key = ("cluster", TIMER, key)
        if world.get(timer) is not None:
            yield Remove(timer)
        box: Sandbox | None = world.get((node, "sandbox", row.sandbox)) if row is not None else None
        if row is None or row.state != cri.RUNNING:
            yield from _forget(world, box.netns, row) if box is not None and row is not None else ()
            return
        pod = world.get(("api", "pods", row.pod))
        if box is not None and pod is not None:
            synced = yield from _serve(world, node, row, box, pod)
            if not synced:
                yield Put(timer, world.clock + AGAIN)

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        return [(when, str(key)) for key, when in world.table("cluster", TIMER).items()]


def _nodes(world: World) -> list[str]:
    return [scope for scope in world.scopes("container") if scope.startswith("node:")]


def _running(world: World, node: str) -> list[Container]:
    if not cri.runs(world, node, PROGRAM):
        return []
    rows: Iterable[Container] = world.table(node, "container").values()
    return sorted((r for r in rows if r.program == PROGRAM and r.state == cri.RUNNING), key=lambda r: r.id)


def _serve(
    world: World, node: str, row: Container, box: Sandbox, pod: dict[str, Any]
) -> Generator[Command, None, bool]:
    """Bring the container's sockets to what its Corefile says; returns whether the API server was reached."""
    before = _loaded(world, row, box)
    resolv_conf = box.resolv_conf or resolver.of_machine(world, node)
    try:
        text = _text(world, node, pod, before)
        server = Server(
            row.pod.partition("/")[2],
            node,
            row.id,
            row.pod,
            text,
            box.ips,
            resolv_conf,
            before is not None and before.synced,
        )
        _check(text, server)
    except Refused as refused:
        if before is None:
            yield from _ends(node, row, box, f"{refused}\n")
            return True
        server = before
    if not server.synced and _reaches_api(world, box.netns, server.corefile):
        server = replace(server, synced=True)
    yield from _listen(world, node, row, box, server, before)
    return server.synced


def _loaded(world: World, row: Container, box: Sandbox) -> Server | None:
    """What the container has loaded by now."""
    return next((s for s in world.table(box.netns, nameserver.TABLE).values() if _is_of(s, row)), None)


def _is_of(served: Any, row: Container) -> bool:
    return isinstance(served, Server) and served.container == row.id


def _text(world: World, node: str, pod: dict[str, Any], before: Server | None) -> str:
    """The Corefile in force: the file's text, unless an older one was loaded that does not look again."""
    if before is not None and not corefile.parse(before.corefile).has("reload"):
        return before.corefile
    spec = files.container_of(pod) or {}
    text = files.file(world, node, pod, spec, files.corefile_path(spec))
    return corefile.NOTHING if text is None else text


def _check(text: str, server: Server) -> None:
    """Raises Refused where CoreDNS would end at once: bad words, or a forward that leads back to itself."""
    for block in corefile.parse(text).blocks:
        for directive in block.plugins:
            if directive.name == "kubernetes":
                options(directive, block.zones)
            if directive.name == "forward" and block.plugin("loop") is not None:
                for address, port in upstreams(directive, server.resolv_conf):
                    if port == block.port and (ip.is_loopback(address) or address in server.local):
                        raise Refused(LOOP.format(server=address, port=port).strip())


def _reaches_api(world: World, netns: str, text: str) -> bool:
    """Whoever asks nothing of the API server has nothing to wait for."""
    if not corefile.parse(text).has("kubernetes"):
        return True
    service = world.get(("api", "services", "default/kubernetes"))
    address = str(service["spec"].get("clusterIP", "")) if service is not None else ""
    if not ip.is_address(address):
        return False
    fork = world.fork(scratch=True)
    return drive(connect(fork, netns, address, API_PORT), fork.apply).ending.outcome == "connected"


def _listen(world: World, node: str, row: Container, box: Sandbox, server: Server, before: Server | None) -> Commands:
    own = "::" if inet6.speaks(world, box.netns) else "0.0.0.0"
    hostname = row.pod.partition("/")[2]
    wanted = corefile.listening(corefile.parse(server.corefile))
    keys = tuple((proto, own, port) for proto, port in wanted)
    for gone in set(row.sockets) - set(keys):
        yield Remove((box.netns, "socket", gone))
        if world.get((box.netns, nameserver.TABLE, gone[2])) is not None:
            yield Remove((box.netns, nameserver.TABLE, gone[2]))
    for (proto, port), what in wanted.items():
        told = UNREADY if what == "ready" and not server.synced else PAGES.get(what)
        said = page(*told) if told is not None else ""
        if what == "dns" and world.get((box.netns, nameserver.TABLE, port)) != server:
            yield Put((box.netns, nameserver.TABLE, port), server)
        socket = Socket(proto, own, port, PROGRAM, row.pod, hostname, page=said)
        if world.get((box.netns, "socket", (proto, own, port))) != socket:
            yield Put((box.netns, "socket", (proto, own, port)), socket)
    log = row.log + _said(row, server, before)
    if (row.sockets, row.log) != (keys, log):
        yield Put(cri.container_key(node, row), replace(row, sockets=keys, log=log))


def _said(row: Container, server: Server, before: Server | None) -> str:
    """What it prints when it starts, or when it has read its Corefile anew."""
    if before is not None and before.corefile == server.corefile:
        return ""
    told = corefile.parse(server.corefile)
    digest = hashlib.sha512(server.corefile.encode()).hexdigest()
    running = f"[INFO] plugin/reload: Running configuration SHA512 = {digest}\n" * told.has("reload")
    if before is not None:
        return f"[INFO] Reloading\n{running}[INFO] Reloading complete\n"
    zones = "".join(f"{zone}:{block.port}\n" for block in told.blocks for zone in block.zones)
    return f"{zones}{running}CoreDNS-{row.image.rpartition(':')[2].removeprefix('v')}\n"


def _forget(world: World, netns: str, row: Container) -> Commands:
    """A container that ended serves nobody."""
    for port, served in list(world.table(netns, nameserver.TABLE).items()):
        if _is_of(served, row):
            yield Remove((netns, nameserver.TABLE, port))


def _ends(node: str, row: Container, box: Sandbox, log: str) -> Commands:
    """The process ends with status 1; the kubelet finds it so when it looks."""
    for name in row.sockets:
        yield Remove((box.netns, "socket", name))
    dead = replace(row, state=cri.EXITED, sockets=(), exit_code=1, reason="Error", log=log, finished=row.started)
    yield Put(cri.container_key(node, row), dead)
