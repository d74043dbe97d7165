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
cluster's names), `plugins` (the others), `server` (bytes in, bytes out); then `node_cache`, a CoreDNS on every node.

Left out: metrics, and what each of those rooms leaves out. Source: coredns/coredns 1.13.1, kubernetes/kubernetes
cmd/kubeadm/app/phases/addons/dns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from k8slearn.cni import cri
from k8slearn.cni.cri import Container, Sandbox
from k8slearn.components.coredns import corefile, files
from k8slearn.components.coredns.files import PROGRAM
from k8slearn.components.coredns.plugins import CACHED, check_upstreams, upstreams
from k8slearn.components.coredns.records import options
from k8slearn.components.coredns.server import Server
from k8slearn.errors import Refused
from k8slearn.journal import Command, Commands, Key, Put, Remove, World, drive
from k8slearn.linux import inet6, ip, nameserver, resolver
from k8slearn.linux.attempt import connect
from k8slearn.linux.listen import bind_error, page, place
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


class Told(NamedTuple):
    """What a CoreDNS goes by when it reads its configuration."""

    corefile: str
    version: str
    """CoreDNS' own."""


class CoreDns:
    """Keys: containers, as ``node:node-1 ID``."""

    name = "coredns"
    program = PROGRAM

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
            return (f"{scope} {name}",) if row is not None and row.program == self.program else ()
        if table in ("services", "route"):
            return [str(waiting) for waiting in world.table("cluster", TIMER)]
        return [f"{node} {row.id}" for node in nodes(world) for row in running(world, node, self.program)]

    def reconcile(self, world: World, key: str) -> Commands:
        node, _, identity = key.partition(" ")
        row: Container | None = world.get((node, "container", identity))
        timer: Key = ("cluster", TIMER, key)
        if world.get(timer) is not None:
            yield Remove(timer)
        box: Sandbox | None = world.get((node, "sandbox", row.sandbox)) if row is not None else None
        if row is None or row.state != cri.RUNNING:
            yield from forget(world, box.netns if box is not None else node, identity)
            return
        pod = world.get(("api", "pods", row.pod))
        if box is not None and pod is not None:
            synced = yield from self.attend(world, node, row, box, pod)
            if not synced:
                yield Put(timer, world.clock + AGAIN)

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        return [(when, str(key)) for key, when in world.table("cluster", TIMER).items()]

    def attend(
        self, world: World, node: str, row: Container, box: Sandbox, pod: dict[str, Any]
    ) -> Generator[Command, None, bool]:
        """See to a container that runs; returns whether the API server was reached."""
        return (yield from serve(world, node, row, box, lambda: self.told(world, node, row, pod)))

    def told(self, world: World, node: str, row: Container, pod: dict[str, Any]) -> Told:
        """What its command line and its files say now. Raises Refused with its last words."""
        spec = files.container_of(pod) or {}
        text = files.file(world, node, pod, spec, files.corefile_path(spec))
        return Told(corefile.NOTHING if text is None else text, row.image.rpartition(":")[2].removeprefix("v"))


def nodes(world: World) -> list[str]:
    """The machines, as scopes."""
    return [scope for scope in world.scopes("container") if scope.startswith("node:")]


def running(world: World, node: str, program: str) -> list[Container]:
    """The containers of a machine that run this program."""
    if not cri.runs(world, node, program):
        return []
    rows: Iterable[Container] = world.table(node, "container").values()
    return sorted((r for r in rows if r.program == program and r.state == cri.RUNNING), key=lambda r: r.id)


def serve(
    world: World, node: str, row: Container, box: Sandbox, tell: Callable[[], Told]
) -> Generator[Command, None, bool]:
    """Bring the container's sockets to what its Corefile says; returns whether the API server was reached."""
    before = loaded(world, row, box)
    resolv_conf = box.resolv_conf or resolver.of_machine(world, node)
    synced = before is not None and before.synced
    pod = row.pod.partition("/")[2]
    try:
        told = tell()
        if before is not None and not corefile.parse(before.corefile).has("reload"):
            told = told._replace(corefile=before.corefile)
        server = Server(pod, node, row.id, row.pod, told.corefile, box.ips, resolv_conf, synced, row.program)
        _check(told.corefile, server)
        _binds(world, row, box, server)
    except Refused as refused:
        if before is None:
            yield from ends(node, row, box, f"{refused}\n")
            return True
        server, told = before, Told(before.corefile, "")
    if not server.synced and _reaches_api(world, box.netns, server.corefile):
        server = replace(server, synced=True)
    yield from _listen(world, node, row, box, server, _said(told.version, server, before))
    return server.synced


def loaded(world: World, row: Container, box: Sandbox) -> Server | None:
    """What the container has loaded by now."""
    return next((s for s in world.table(box.netns, nameserver.TABLE).values() if _is_of(s, row.id)), None)


def _is_of(served: Any, identity: str) -> bool:
    return isinstance(served, Server) and served.container == identity


def _check(text: str, server: Server) -> None:
    """Raises Refused where CoreDNS would end at once: bad words, or a forward that leads back to itself."""
    for block in corefile.parse(text).blocks:
        for directive in block.plugins:
            if directive.name == "kubernetes":
                options(directive, block.zones)
            if directive.name == "forward":
                check_upstreams(directive)
            if directive.name == "forward" and block.plugin("loop") is not None:
                own = {*server.local, *block.addresses}
                for address, port in upstreams(directive, server.resolv_conf):
                    if port == block.port and (ip.is_loopback(address) or address in own):
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


def _sockets(world: World, row: Container, box: Sandbox, server: Server) -> dict[Socket, str]:
    """The sockets that its Corefile asks for, and the plugin that each is for."""
    everywhere = "::" if inet6.speaks(world, box.netns) else "0.0.0.0"
    hostname = row.pod.partition("/")[2]
    found = {}
    for (proto, address, port), what in corefile.listening(corefile.parse(server.corefile)).items():
        told = UNREADY if what == "ready" and not server.synced else PAGES.get(what)
        said = page(*told) if told is not None else ""
        found[Socket(proto, address or everywhere, port, row.program, row.pod, hostname, page=said)] = what
    return found


def _binds(world: World, row: Container, box: Sandbox, server: Server) -> None:
    """Raises Refused where the kernel does not let it listen. What it listens on by now is its own."""
    wanted = [s for s in _sockets(world, row, box, server) if (s.proto, s.address, s.port) not in row.sockets]
    others = world.fork() if wanted and row.sockets else world
    for name in row.sockets if wanted else ():
        others.apply(Remove((box.netns, "socket", name)))
    for socket in wanted:
        refused = bind_error(others, box.netns, socket)
        if refused:
            where = f"{socket.proto} {place(socket.address, socket.port)}"
            raise Refused(f"Listen: listen {where}: bind: {refused[0].lower()}{refused[1:]}")


def _listen(world: World, node: str, row: Container, box: Sandbox, server: Server, said: str) -> Commands:
    wanted = _sockets(world, row, box, server)
    keys = tuple((socket.proto, socket.address, socket.port) for socket in wanted)
    ports = {socket.port for socket, what in wanted.items() if what == "dns"}
    for gone in set(row.sockets) - set(keys):
        yield Remove((box.netns, "socket", gone))
    for port, served in list(world.table(box.netns, nameserver.TABLE).items()):
        if _is_of(served, row.id) and port not in ports:
            yield Remove((box.netns, nameserver.TABLE, port))
    for port in sorted(ports):
        if world.get((box.netns, nameserver.TABLE, port)) != server:
            yield Put((box.netns, nameserver.TABLE, port), server)
    for name, socket in zip(keys, wanted, strict=True):
        if world.get((box.netns, "socket", name)) != socket:
            yield Put((box.netns, "socket", name), socket)
    log = row.log + said
    if (row.sockets, row.log) != (keys, log):
        yield Put(cri.container_key(node, row), replace(row, sockets=keys, log=log))


def _said(version: str, server: Server, before: Server | None) -> str:
    """What it prints when it starts, or when it has read its Corefile anew."""
    if before is not None and before.corefile == server.corefile:
        return ""
    told = corefile.parse(server.corefile)
    digest = hashlib.sha512(server.corefile.encode()).hexdigest()
    running = f"[INFO] plugin/reload: Running configuration SHA512 = {digest}\n" * told.has("reload")
    if before is not None:
        return f"[INFO] Reloading\n{running}[INFO] Reloading complete\n"
    served = [
        (address, zone, block.port) for block in told.blocks for address in block.addresses for zone in block.zones
    ]
    places = dict.fromkeys((address, port) for address, _, port in served)
    zones = "".join(
        f"{zone}:{port}{f' on {address}' if address else ''}\n"
        for address, port in places
        for at, zone, number in sorted(served)
        if (at, number) == (address, port)
    )
    return f"{zones}{running}CoreDNS-{version}\n"


def forget(world: World, netns: str, identity: str) -> Commands:
    """A container that ended serves nobody, and what it remembered is gone."""
    for port, served in list(world.table(netns, nameserver.TABLE).items()):
        if _is_of(served, identity):
            yield Remove((netns, nameserver.TABLE, port))
    for name in list(world.table(netns, CACHED)):
        if isinstance(name, tuple) and name[0] == identity:
            yield Remove((netns, CACHED, name))


def ends(node: str, row: Container, box: Sandbox, log: str) -> Commands:
    """The process ends with status 1; the kubelet finds it so when it looks."""
    for name in row.sockets:
        yield Remove((box.netns, "socket", name))
    log = row.log + log
    dead = replace(row, state=cri.EXITED, sockets=(), exit_code=1, reason="Error", log=log, finished=row.started)
    yield Put(cri.container_key(node, row), dead)
