"""What these tests start from: manifests, and inputs that a learner could have made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from k8slearn import Cluster

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: nginx, image: nginx, ports: [{name: http, containerPort: 80}]}]}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}
"""


def pod(name: str, node: str = "", labels: str = "{}", image: str = "nginx", more: str = "") -> str:
    """A manifest of one pod; `node` puts it onto that node without asking the scheduler."""
    spec = f"containers: [{{name: c, image: {image}}}]" + (f", nodeName: {node}" if node else "") + more
    return f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {labels}}}\nspec: {{{spec}}}\n"


def names(cluster: Cluster, resource: str = "pods", namespace: str | None = None) -> list[str]:
    return [obj["metadata"]["name"] for obj in cluster.get(resource, namespace=namespace)]


def events(cluster: Cluster, reason: str) -> list[str]:
    return [event["message"] for event in cluster.get("events", namespace=None) if event["reason"] == reason]


def same(one: Cluster, other: Cluster) -> bool:
    """The same entries with the same consequences, and the same world, each table's rows in the same order."""
    tables, others = one.world.tables(), other.world.tables()
    ordered = tables == others and all(list(tables[name]) == list(others[name]) for name in tables)
    return ordered and one.journal.entries == other.journal.entries


def sentence(question: Callable[[], object]) -> str:
    """What is said when it is refused, or nothing. Any other exception is a bug of ours."""
    from k8slearn.errors import Refused

    try:
        question()
    except Refused as refused:
        return str(refused)
    return ""


def _run(on: str, command: str) -> tuple[str, dict[str, Any]]:
    return "run", {"on": on, "command": command, "stdin": "", "env": {}}


INPUTS: list[tuple[str, dict[str, Any]]] = [
    ("apply", {"source": pod("a", "node-1"), "namespace": "default"}),
    ("apply", {"source": pod("b"), "namespace": "default"}),
    ("apply", {"source": DEPLOYMENT, "namespace": "default"}),
    ("apply", {"source": DEPLOYMENT.replace("replicas: 3", "replicas: 1"), "namespace": "default"}),
    ("apply", {"source": DEPLOYMENT.replace("image: nginx", "image: httpd"), "namespace": "default"}),
    ("apply", {"source": SERVICE, "namespace": "default"}),
    ("delete", {"resource": "pod", "name": "a", "namespace": "default"}),
    ("delete", {"resource": "deployment", "name": "web", "namespace": "default"}),
    ("delete", {"resource": "service", "name": "web", "namespace": "default"}),
    ("send", {"source": "node:node-1", "destination": "svc:default/web", "port": 80, "protocol": "TCP"}),
    ("send", {"source": "default/a", "destination": "default/b", "port": 80, "protocol": "TCP"}),
    ("send", {"source": "outside:198.51.100.9", "destination": "node:node-2", "port": 22, "protocol": "TCP"}),
    ("request", {"source": "default/b", "url": "http://node-1/healthz", "connect_to": "node:node-1:10256"}),
    ("lookup", {"source": "default/a", "name": "web"}),
    ("advance", {"seconds": 7}),
    ("outside", {"address": "192.168.64.200"}),
    _run("node:node-1", "ip route del 10.244.1.0/24"),
    _run("node:node-2", "ip link set cni0 down"),
    _run("node:node-2", "sysctl -w net.ipv4.ip_forward=0"),
    _run("node:node-1", "ip route"),
    _run("default/b", "curl -s http://web"),
    ("fault", {"fault": "missing-route", "on": "node:node-2", "arguments": {"dst": "10.244.0.0/24"}}),
    ("fault", {"fault": "link-down", "on": "default/a", "arguments": {"dev": "eth0"}}),
    ("lift", {"name": "fault-1"}),
    ("install-plugin", {"name": "portmap"}),
    ("power", {"node": "node-2", "to": "shutdown"}),
    ("power", {"node": "node-2", "to": "boot"}),
    ("power", {"node": "node-1", "to": "reboot"}),
]
"""Inputs of every kind, among them some that fail or change nothing, depending on what came before."""

MOVES = st.lists(st.sampled_from([*range(len(INPUTS)), "undo", "redo"]), max_size=9)
"""What a learner does: inputs by number, and undo and redo."""


def play(cluster: Cluster, moves: list[int | str]) -> Cluster:
    """Make the moves; a refusal is an answer like any other."""
    from k8slearn.errors import Refused

    for move in moves:
        try:
            if isinstance(move, str):
                getattr(cluster, move)()
            else:
                cluster.engine.do(*INPUTS[move])
        except Refused:
            pass
    return cluster
