"""Connections that outlive a change of the rules: conntrack knows them, and the rules decide about new ones only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from k8slearn import Cluster
from k8slearn.endpoints import resolve_source
from k8slearn.journal import drive
from k8slearn.linux import socket
from k8slearn.trace import Attempt

Obj = dict[str, Any]
SPORT = 40000


def pod(name: str, node: str, app: str) -> Obj:
    hook = {"preStop": {"sleep": {"seconds": 20}}}
    container = {"name": "c", "image": "nginx", "ports": [{"containerPort": 80}], "lifecycle": hook}
    metadata, spec = {"name": name, "labels": {"app": app}}, {"nodeName": node, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def served(network: str) -> Cluster:
    return with_web(Cluster(nodes=2, network=network))


def with_web(cluster: Cluster) -> Cluster:
    """A client, a server and a Service."""
    cluster.apply([pod("client", "node-1", "client"), pod("a", "node-2", "web")])
    spec = {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80, "nodePort": 30080}]}
    cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec})
    return cluster


class Conversation:
    """A TCP connection that stays open: what is said over it later goes without a handshake."""

    def __init__(self, cluster: Cluster, source: str, address: str, port: int) -> None:
        self.cluster = cluster
        self.asked = (resolve_source(cluster.world, source), address, port, "tcp")
        self.first = self._said(stands=False)

    def again(self) -> str:
        """The outcome of one more request."""
        return self._said(stands=True).ending.outcome

    def _said(self, stands: bool) -> Attempt:
        world = self.cluster.world
        return drive(socket.connect(world, *self.asked, sport=SPORT, stands=stands), world.apply)


def talking(cluster: Cluster, source: str = "default/client") -> Conversation:
    """A connection through the Service, from inside by its cluster IP, from outside by its node port."""
    if source == "outside":
        cluster.outside()
        return Conversation(cluster, "outside", "192.168.64.11", 30080)
    return Conversation(cluster, source, cluster.get("service", "web")["spec"]["clusterIP"], 80)


def _service_deleted(cluster: Cluster) -> None:
    cluster.delete("service", "web")


def _endpoint_removed(cluster: Cluster) -> None:
    cluster.apply(pod("b", "node-1", "web"))
    cluster.kubectl("label pod a app=other --overwrite")


def _terminating(cluster: Cluster) -> None:
    cluster.apply(pod("b", "node-1", "web"))
    cluster.kubectl("delete pod a --wait=false")


def _turned_local(cluster: Cluster) -> None:
    cluster.apply(pod("b", "node-1", "web"))
    for name in ("internal", "external"):
        cluster.kubectl(f'patch service web -p \'{{"spec": {{"{name}TrafficPolicy": "Local"}}}}\'')
    cluster.kubectl("delete pod b --grace-period=0 --force")


def _isolated(cluster: Cluster) -> None:
    spec = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    head = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "shut"}}
    cluster.apply({**head, "spec": spec})


CHANGES: dict[str, Callable[[Cluster], None]] = {
    "the Service is deleted": _service_deleted,
    "the pod is no endpoint any more": _endpoint_removed,
    "the pod is terminating": _terminating,
    "no endpoint is local": _turned_local,
}


@pytest.mark.parametrize("source", ["default/client", "node:node-1", "outside"])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("network", ["bridge", "calico"])
def test_a_tcp_connection_goes_on_whatever_becomes_of_its_service(network: str, change: str, source: str) -> None:
    cluster = served(network)
    talk = talking(cluster, source)
    assert talk.first.ending.answered_by == "default/a"
    CHANGES[change](cluster)
    assert talk.again() == "connected"
    new = cluster.trace(source, talk.asked[1], port=talk.asked[2])
    assert new.answered_by != "default/a"


def test_a_policy_refuses_new_connections_only() -> None:
    cluster = served("calico")
    talk = talking(cluster)
    _isolated(cluster)
    assert talk.again() == "connected"
    assert cluster.trace("default/client", "svc:default/web").outcome == "timeout"


def test_a_connection_ends_with_its_pod() -> None:
    cluster = served("bridge")
    talk = talking(cluster)
    cluster.kubectl("delete pod a --grace-period=0 --force")
    assert talk.again() != "connected"


def test_a_machine_that_has_forgotten_its_connections_breaks_them() -> None:
    cluster = served("bridge")
    talk = talking(cluster)
    cluster.delete("service", "web")
    cluster.node("node-1").run("conntrack -F")
    assert talk.again() != "connected"
