"""A dump of a cluster tells its wiring: by what the plugin's agents noted, or by their images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from k8slearn import Cluster, manifests

KINDS = ("nodes", "namespaces", "daemonsets", "configmaps", "deployments", "replicasets", "pods", "services", "crds")
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {"containers": [{"name": "c", "image": "nginx"}]},
}


def dump(cluster: Cluster, path: Path, *kinds: str) -> Path:
    """What ``kubectl get nodes,pods,... -A -o json`` prints."""
    items = [obj for kind in kinds or KINDS for obj in cluster.get(kind, namespace=None)]
    return write(items, path)


def write(items: list[Any], path: Path) -> Path:
    file = path / "dump.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}), encoding="utf-8")
    return file


@pytest.mark.parametrize("network", ["bridge", "kubenet", "flannel", "flannel-host-gw", "calico", "vpc", None])
def test_a_dump_becomes_a_cluster_of_the_same_wiring(network: str | None, tmp_path: Path) -> None:
    real = Cluster(nodes=2, network=network)
    real.apply(POD)
    like = Cluster.from_manifests(dump(real, tmp_path))
    assert like.settings.network == network
    assert (like.settings.nodes, like.settings.pod_cidr) == (real.settings.nodes, real.settings.pod_cidr)
    names = [[obj["metadata"]["name"] for obj in c.get("daemonsets", namespace=None)] for c in (real, like)]
    assert names[0] == names[1]
    phases = [c.get("pods", "web")["status"].get("phase") for c in (real, like)]
    assert phases[0] == phases[1]


@pytest.mark.parametrize("network", ["kubenet", "flannel", "flannel-host-gw", "calico", None])
def test_the_nodes_alone_tell_it_where_an_agent_writes_there(network: str | None, tmp_path: Path) -> None:
    like = Cluster.from_manifests(dump(Cluster(nodes=1, network=network), tmp_path, "nodes"))
    assert like.settings.network == network


@pytest.mark.parametrize(
    ("image", "network"),
    [
        ("docker.io/flannel/flannel:v0.26.1", "flannel"),
        ("quay.io/calico/node:v3.27.0", "calico"),
        ("602401143452.dkr.ecr.eu-west-1.amazonaws.com/amazon-k8s-cni:v1.18.1", "vpc"),
        ("docker.io/kindest/kindnetd:v20240202-8f1494ea", "ptp"),
    ],
)
def test_a_daemonsets_image_tells_it_where_the_nodes_do_not(image: str, network: str, tmp_path: Path) -> None:
    template = {"spec": {"containers": [{"name": "agent", "image": image}]}}
    agent = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent", "namespace": "kube-system"}}
    items = [*Cluster(nodes=1).get("nodes"), {**agent, "spec": {"selector": {}, "template": template}}]
    assert Cluster.from_manifests(write(items, tmp_path)).settings.network == network


def test_calicos_pool_says_which_addresses_pods_have_and_how_packets_travel(tmp_path: Path) -> None:
    real = Cluster(nodes=2, network="calico", pod_cidr="172.20.0.0/16")
    pool = real.get("ippools", "default-ipv4-ippool", namespace=None)
    real.apply({**pool, "spec": {**pool["spec"], "ipipMode": "CrossSubnet"}})
    like = Cluster.from_manifests(dump(real, tmp_path, *KINDS, "ippools"))
    assert like.settings.pod_cidr == "172.20.0.0/16"
    assert like.get("ippools", "default-ipv4-ippool", namespace=None)["spec"]["ipipMode"] == "CrossSubnet"


def test_a_plugin_that_is_not_built_here_is_told(tmp_path: Path) -> None:
    items = Cluster(nodes=1, network="flannel").get("nodes")
    items[0]["metadata"]["annotations"]["flannel.alpha.coreos.com/backend-type"] = "wireguard"
    with pytest.warns(UserWarning, match="a cluster with flannel's backend wireguard, which is not built here: bridge"):
        assert Cluster.from_manifests(write(items, tmp_path)).settings.network == "bridge"


def test_multus_and_its_definitions_come_with_the_dump(tmp_path: Path) -> None:
    real = Cluster(nodes=1, network="flannel")
    real.apply(manifests.text("multus"))
    config = '{"type": "macvlan", "master": "eth0", "ipam": {"type": "host-local", "subnet": "10.9.0.0/24"}}'
    definition = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition"}
    real.apply({**definition, "metadata": {"name": "second"}, "spec": {"config": config}})
    annotated = {"name": "web", "annotations": {"k8s.v1.cni.cncf.io/networks": "second"}}
    real.apply({**POD, "metadata": annotated})
    like = Cluster.from_manifests(dump(real, tmp_path, *KINDS, "net-attach-def"))
    assert "10.9.0.2/24" in like.pod("web").run("ip -o addr show net1").stdout
