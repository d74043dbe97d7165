"""node-cache: NodeLocal DNSCache's process, a CoreDNS on every node that the node's pods ask instead of the far one.

It is a container of the DaemonSet ``node-local-dns``, in the node's own network namespace, and it is CoreDNS with a
little around it. Before CoreDNS starts it makes the device and the Corefile; once CoreDNS listens it writes the rules
(`network`), and looks after device and rules every 60 s::

    pod ── 10.96.0.10:53/UDP ── its node: the address is local (nodelocaldns), NOTRACK ── node-cache ── its cache
                                                                                              │ has it not
           a name of cluster.local: TCP to the Service kube-dns-upstream ── CoreDNS ──────────┤
           any other name: the servers of the node's /etc/resolv.conf ────────────────────────┘

The mounted Corefile.base is a template: ``__PILLAR__CLUSTER__DNS__`` becomes the address that the container's
environment has for the Service ``-upstreamsvc`` (so the Service has to be there first), and
``__PILLAR__UPSTREAM__SERVERS__`` becomes /etc/resolv.conf, or what the ConfigMap ``kube-dns`` says, which may have
stubDomains too.

On SIGTERM (``kubectl delete pod``) it takes the rules and the device away again. Killed otherwise (``kill -9``, out of
memory) it does not: then the rules lead every query of the node to an address at which nobody listens, until the
kubelet has started it again (kubernetes/website, nodelocaldns.md). Its cache is gone in both cases.

In life the rules come a second after CoreDNS has written its pidfile; here at once. Here, too, a changed ConfigMap
counts at once; in life it takes the kubelet's, node-cache's (10 s) and CoreDNS' (30 s) next look.

Left out: ``-syncinterval`` other than 60 s, ``-reloadwithsignal``, IPv6 addresses as ``-localip`` (rules of ip6tables),
its own metrics. Sources: kubernetes/dns 1.26.7 cmd/node-cache/main.go, app/cache_app.go, app/configmap.go;
kubernetes/kubernetes cluster/addons/dns/nodelocaldns; KEP-1024 (keps/sig-network/1024-nodelocal-cache-dns).
"""

from __future__ import annotations

import json
import math
from collections.abc import Generator, Iterable, Mapping
from dataclasses import replace
from typing import Any

from k8slearn.cni import cri
from k8slearn.cni.cri import Container, Sandbox
from k8slearn.components.coredns import CoreDns, Told, ends, files, loaded, network, nodes, running, serve
from k8slearn.components.coredns.network import Network
from k8slearn.errors import Refused
from k8slearn.journal import Command, Commands, Key, Put, Remove, World
from k8slearn.linux import ip

Obj = dict[str, Any]
SYNC = 60.0
"""Seconds between two looks at the device and the rules."""
LOOK, TEARDOWN = "look ", "teardown "
COREDNS = "1.13.1"
"""The CoreDNS that is in k8s-dns-node-cache 1.26.7."""
FLAGS = {
    "localip": "",
    "interfacename": "nodelocaldns",
    "setupinterface": "true",
    "setupiptables": "true",
    "skipteardown": "false",
    "conf": "/etc/Corefile",
    "pidfile": "",
    "basecorefile": "/etc/coredns/Corefile.base",
    "kubednscm": "/etc/kube-dns",
    "upstreamsvc": "kube-dns",
    "health-port": "8080",
}
"""Its flags, and what each says where it is left away."""
SWITCHES = ("setupinterface", "setupiptables", "skipteardown")
STUB_DOMAIN = "\n{name}:53 {{\n    errors\n    cache 30\n    bind {own}\n    forward . {servers}\n}}\n"


class NodeCache(CoreDns):
    """Keys: containers, as ``node:node-1 ID``; ``look ...`` when one looks after its rules, ``teardown ...`` when one
    was asked to end."""

    name = "node-cache"
    program = files.NODE_CACHE

    def watches(self) -> Mapping[str, str]:
        return {"container": "its own", "configmaps": "its Corefile, and kube-dns"}

    def keys(self, world: World, changed: Key) -> Iterable[str]:
        found = super().keys(world, changed)
        row: Container | None = world.get(changed) if changed[1] == "container" else None
        if row is not None and row.program == self.program and _ended_in_peace(world, row):
            return (*found, f"{TEARDOWN}{changed[0]} {row.id}")
        return found

    def reconcile(self, world: World, key: str) -> Commands:
        node, identity = key.split(" ")[-2:]
        own: Network | None = world.get(network.memory(node))
        mine = own is not None and own.container == identity
        if key.startswith(TEARDOWN):
            yield from _teardown(world, node, own) if own is not None and mine else ()
        elif key.startswith(LOOK):
            yield from _look(world, node, own) if own is not None and mine else ()
        else:
            row: Container | None = world.get((node, "container", identity))
            cause: Key | None = ("api", "pods", row.pod) if row is not None else None
            for command in super().reconcile(world, key):
                yield command if command.cause is not None else command._replace(cause=cause)

    def due(self, world: World) -> Iterable[tuple[float, str]]:
        """Only a look that would find something is worth a timer."""
        for node in nodes(world):
            for row in running(world, node, self.program):
                own: Network | None = world.get(network.memory(node))
                if own is None or own.container != row.id:
                    continue
                if network.missing(world, node, own) or network.device_missing(world, node, own):
                    looks = math.floor((world.clock - row.started) / SYNC) + 1
                    yield row.started + looks * SYNC, f"{LOOK}{node} {row.id}"

    def attend(self, world: World, node: str, row: Container, box: Sandbox, pod: Obj) -> Generator[Command, None, bool]:
        """First the device, then CoreDNS, then the rules: none where CoreDNS did not come up."""
        starts = loaded(world, row, box) is None
        try:
            own = network.of(row.id, flags_of(pod, row.name))
        except Refused as refused:
            yield from ends(node, row, box, f"[FATAL] {refused}\n")
            return True
        if starts:
            yield Put(network.memory(node), own)
            yield from network.ensure_device(world, node, own)
        yield from serve(world, node, row, box, lambda: self.told(world, node, row, pod))
        if starts and own.at_once and loaded(world, row, box) is not None:
            yield from _look(world, node, own)
        return True

    def told(self, world: World, node: str, row: Container, pod: Obj) -> Told:
        """The Corefile that it makes of its template (configmap.go: updateCorefile)."""
        flags, spec = flags_of(pod, row.name), files.container_of(pod) or {}
        text = files.file(world, node, pod, spec, flags["basecorefile"])
        if text is None:
            raise Refused(f"open {flags['conf']}: no such file or directory")
        servers, domains = _kube_dns(world, node, pod, spec, flags["kubednscm"])
        variable = flags["upstreamsvc"].replace("-", "_").upper() + "_SERVICE_HOST"
        upstream = cri.variables(world, row).get(variable, "")
        own = flags["localip"].replace(",", " ")
        for name, value in (
            ("UPSTREAM__SERVERS", " ".join(servers) or "/etc/resolv.conf"),
            ("CLUSTER__DNS", upstream if ip.is_address(upstream) else "<nil>"),
            ("LOCAL__DNS", own),
            ("DNS__SERVER", ""),
        ):
            text = text.replace(f"__PILLAR__{name}__", value)
        stubs = (STUB_DOMAIN.format(name=name, own=own, servers=" ".join(to)) for name, to in domains.items())
        return Told(text + "".join(stubs), COREDNS)


def flags_of(pod: Obj, name: str) -> dict[str, str]:
    """The command line of a container of this pod, as Go reads it: ``-x y``, ``-x=y``, and ``-x`` for a switch."""
    spec: Obj = next((c for c in pod["spec"]["containers"] if c["name"] == name), {})
    words, told = [str(word) for word in spec.get("args") or ()], dict(FLAGS)
    while words:
        flag, equals, value = words.pop(0).lstrip("-").partition("=")
        if not equals:
            value = "true" if flag in SWITCHES else words.pop(0) if words else ""
        told[flag] = value
    return told


def _kube_dns(world: World, node: str, pod: Obj, spec: Obj, folder: str) -> tuple[list[str], dict[str, list[str]]]:
    """What the ConfigMap kube-dns says: the upstream servers, and those of stub domains. Bad JSON says nothing."""
    found = []
    for name in ("upstreamNameservers", "stubDomains"):
        text = files.file(world, node, pod, spec, f"{folder}/{name}")
        try:
            found.append(json.loads(text or "null"))
        except ValueError:
            return [], {}
    servers, domains = found
    return servers if isinstance(servers, list) else [], domains if isinstance(domains, dict) else {}


def _ended_in_peace(world: World, row: Container) -> bool:
    """Has it heard SIGTERM? The kubelet sends that first to every container of a pod that the API does not have."""
    gone = world.get(("api", "pods", row.pod)) is None
    return row.state == cri.EXITED and (row.exit_code == 0 or gone)


def _look(world: World, node: str, own: Network) -> Commands:
    """setupNetworking: what is missing comes back, and the log says so."""
    row: Container = world.get((node, "container", own.container))
    said = "".join(f"[INFO] Added back nodelocaldns rule - {rule}\n" for rule in network.missing(world, node, own))
    yield from network.ensure_rules(world, node, own)
    if network.device_missing(world, node, own):
        said += f"[INFO] Added interface - {own.device}\n"
        yield from network.ensure_device(world, node, own)
    if said:
        yield Put(cri.container_key(node, row), replace(row, log=row.log + said))


def _teardown(world: World, node: str, own: Network) -> Commands:
    if not own.stays:
        yield from network.remove(world, node, own)
    yield Remove(network.memory(node))
