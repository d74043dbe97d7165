"""Stale UDP entries: the kernel goes on sending to an endpoint that is gone, until somebody makes it forget.

DNAT is decided by the first packet and remembered. A TCP connection to a pod that is gone ends with it; UDP has no
end, and a client that keeps its source port (a DNS resolver, a metrics sender) renews the entry with every datagram:
a black hole, for as long as it goes on. So after each sync kube-proxy deletes the entries of a Service's address or
node port whose answers would come from no serving endpoint of it, among them those of the time when it had none.

What else changes (a policy, hints, that an endpoint is terminating) leaves existing conversations alone, as it does
for TCP; and a Service without any serving endpoint is not looked at (upstream's pkg/proxy/conntrack/cleanup.go).

Left out: older versions (before 1.32), which deleted by what had changed and not by what is there.
"""

from __future__ import annotations

from collections.abc import Mapping

from k8slearn.components.kube_proxy.service import Endpoints, Port
from k8slearn.journal import Commands, Key, Remove, World
from k8slearn.linux.rows import Connection, Tuple

Served = Mapping[str, tuple[Port, ...]]


def clean(world: World, scope: str, served: Served, behind: Endpoints) -> Commands:
    """Delete this node's UDP entries that lead to nobody who serves. `served`, `behind`: the indexes of one family."""
    table = world.table(scope, "conntrack")
    entries = [t for t, row in table.items() if isinstance(row, Connection) and t == row.original and t.proto == "udp"]
    if not entries:
        return
    fronts = _fronts(served, behind)
    for original in entries:
        row = table[original]
        for front in ((original.dst, original.dport), ("", original.dport)):
            port, serving = fronts.get(front, (None, frozenset[str]()))
            if port is not None and row.reply.src not in serving:
                yield from _forget(scope, original, row.reply, ("api", "services", port.service))
                break


Fronts = dict[tuple[str, int], tuple[Port, frozenset[str]]]


def _fronts(served: Served, behind: Endpoints) -> Fronts:
    """(address, port), or ("", node port) -> whose it is, and who serves there."""
    found: Fronts = {}
    for ports in served.values():
        for port in (p for p in ports if p.protocol == "udp"):
            endpoints = behind.get((port.service, port.name, port.protocol), ())
            serving = frozenset(e.address for e in endpoints if e.serving)
            if serving:
                for address in (port.cluster_ip, *port.load_balancer_ips, *port.external_ips):
                    found[address, port.port] = (port, serving)
                if port.node_port:
                    found["", port.node_port] = (port, serving)
    return found


def _forget(scope: str, original: Tuple, reply: Tuple, cause: Key) -> Commands:
    yield Remove((scope, "conntrack", original), cause)
    yield Remove((scope, "conntrack", reply), cause)
