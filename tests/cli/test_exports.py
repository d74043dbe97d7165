"""``export``: what people made of a cluster goes out as YAML, and comes back as the same cluster."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from k8slearn import Cluster
from k8slearn.errors import Refused

SHOP = """
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: a}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec: {containers: [{name: c, image: nginx, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, labels: {app: client}}
spec: {nodeName: node-2, containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: Pod
metadata: {name: other}
spec: {containers: [{name: c, image: nginx}], nodeSelector: {kubernetes.io/hostname: node-1}}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {selector: {app: api}, ports: [{port: 80}], type: NodePort}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  podSelector: {matchLabels: {app: api}}
  ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: client}}}]}]
"""


def cells(cluster: Cluster) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = cluster.reachability().to_dict()["outcomes"]
    return found


@pytest.mark.parametrize("network", ["bridge", "calico", "flannel", None])
def test_exported_manifests_are_the_same_cluster_again(network: str | None, tmp_path: Path) -> None:
    cluster = Cluster(nodes=3, network=network, seed=7)
    cluster.apply(SHOP)
    cluster.kubectl("scale deployment api -n shop --replicas=3")
    cluster.kubectl("label namespace shop tier=front")
    cluster.kubectl("create configmap words --from-literal=a=b")
    path = tmp_path / "shop.yaml"
    path.write_text(cluster.export("manifests"))
    again = Cluster.from_manifests(path)
    assert again.settings == cluster.settings
    assert cells(again) == cells(cluster)
    assert again.export("manifests") == cluster.export("manifests")


def test_an_object_stands_as_it_was_written_until_it_is_changed() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(SHOP)
    cluster.kubectl("scale deployment api -n shop --replicas=5")
    cluster.kubectl("expose deployment api -n shop --name=api2 --port=80")
    found = {(o["kind"], o["metadata"]["name"]): o for o in yaml.safe_load_all(cluster.export("manifests"))}
    assert set(found) == {
        ("Namespace", "shop"), ("Deployment", "api"), ("Pod", "client"), ("Pod", "other"), ("Service", "api"),
        ("Service", "api2"), ("NetworkPolicy", "api"),
    }  # fmt: skip
    written = list(yaml.safe_load_all(SHOP))
    assert found["Namespace", "shop"] == written[0]
    assert found["Service", "api"]["spec"] == written[4]["spec"]
    assert found["Deployment", "api"]["spec"]["replicas"] == 5
    assert {"clusterIP", "clusterIPs", "ipFamilies"}.isdisjoint(found["Service", "api2"]["spec"])
    assert all({"uid", "resourceVersion"}.isdisjoint(o["metadata"]) and "status" not in o for o in found.values())


def test_the_script_for_kind_is_bash_and_names_kinds_nodes() -> None:
    cluster = Cluster(nodes=3, network="calico", pod_cidr="10.200.0.0/16")
    cluster.kubectl("label node node-3 topology.kubernetes.io/zone=b")
    cluster.apply(SHOP)
    script = cluster.export("kind")
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    config = yaml.safe_load(script.partition("<<'CONFIG'\n")[2].partition("CONFIG\n")[0])
    assert config["networking"] == {
        "podSubnet": "10.200.0.0/16", "serviceSubnet": "10.96.0.0/12", "disableDefaultCNI": True
    }  # fmt: skip
    assert [node["role"] for node in config["nodes"]] == ["control-plane", "worker", "worker"]
    assert config["nodes"][2]["labels"] == {"topology.kubernetes.io/zone": "b"}
    objects = list(yaml.safe_load_all(script.partition("<<'MANIFESTS'\n")[2].partition("MANIFESTS\n")[0]))
    pods = {o["metadata"]["name"]: o["spec"] for o in objects if o["kind"] == "Pod"}
    assert pods["client"]["nodeName"] == "k8slearn-worker"
    assert pods["other"]["nodeSelector"] == {"kubernetes.io/hostname": "k8slearn-control-plane"}
    assert "kubectl apply -f https://" in script


@pytest.mark.parametrize("network", ["flannel", "vpc", "kubenet"])
def test_a_wiring_that_kind_cannot_have_is_refused(network: str) -> None:
    with pytest.raises(Refused, match=f"kind cannot have the network '{network}'"):
        Cluster(nodes=1, network=network).export("kind")
