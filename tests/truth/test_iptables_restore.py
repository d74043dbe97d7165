"""What our ``iptables-save`` prints, given to the real iptables: it takes it, and prints it again word for word."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from k8slearn import Cluster

BACKENDS = ("iptables-nft", "iptables-legacy")
pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="iptables needs root"),
    pytest.mark.skipif(shutil.which("unshare") is None, reason="not installed: unshare"),
]
MANIFESTS = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80}, {name: dns, port: 53, protocol: UDP}]}
---
apiVersion: v1
kind: Service
metadata: {name: nobody}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: door}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80}]}
"""


def saved(network: str, node: str, dns: str = "") -> str:
    cluster = Cluster(nodes=2, network=network, dns=dns)
    cluster.apply(MANIFESTS)
    return cluster.node(node).run("iptables-save").stdout


def in_a_namespace_of_its_own(command: str, stdin: str) -> str:
    done = subprocess.run(["unshare", "--net", "sh", "-c", command], input=stdin, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def tables(text: str) -> dict[str, list[str]]:
    """Table -> its lines, without the comments that carry a date."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("*"):
            lines = found.setdefault(line[1:], [])
        elif not line.startswith("#"):
            lines.append(line)
    return found


@pytest.mark.parametrize("network", ["bridge", "kubenet"])
@pytest.mark.parametrize("node", ["node-1", "node-2"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_real_iptables_restore_accepts_a_nodes_rules(network: str, node: str, backend: str) -> None:
    if shutil.which(f"{backend}-restore") is None:
        pytest.skip(f"not installed: {backend}-restore")
    in_a_namespace_of_its_own(f"{backend}-restore --test", saved(network, node))


@pytest.mark.parametrize("network", ["bridge", "kubenet"])
def test_the_real_iptables_save_prints_a_nodes_rules_as_ours_does(network: str) -> None:
    ours = saved(network, "node-1")
    theirs = in_a_namespace_of_its_own("iptables-nft-restore && iptables-nft-save", ours)
    assert tables(theirs) == tables(ours)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_real_iptables_save_prints_node_caches_rules_as_ours_does(backend: str) -> None:
    if shutil.which(f"{backend}-restore") is None:
        pytest.skip(f"not installed: {backend}-restore")
    ours = tables(saved("bridge", "node-1", "node-local-dns"))
    for table in ("raw", "filter"):
        text = "\n".join((f"*{table}", *ours[table], ""))
        theirs = in_a_namespace_of_its_own(f"{backend}-restore && {backend}-save -t {table}", text)
        own, real = ([line for line in of if "NodeLocal" in line] for of in (ours[table], tables(theirs)[table]))
        assert len(own) == (16 if table == "raw" else 8)
        assert real == own
