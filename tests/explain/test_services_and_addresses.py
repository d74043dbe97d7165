"""What `explain` says of a Service that does not answer, and of an address that nobody has: the YAML line, tried."""

from __future__ import annotations

import re

import pytest

from k8slearn import Cluster

PODS = """
apiVersion: v1
kind: Pod
metadata: {name: client}
spec: {nodeName: node-1, containers: [{name: shell, image: busybox, command: [sleep, "3600"]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  replicas: 3
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      containers:
      - {name: c, image: registry.k8s.io/e2e-test-images/agnhost:2.40, args: [netexec, --http-port=8080], ports: [{containerPort: 8080, name: http}]}
---
"""  # noqa: E501
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: "
BROKEN = {
    "{selector: {app: api}, ports: [{port: 80}]}": "spec.ports[0].targetPort: 8080",
    "{selector: {app: api}, ports: [{port: 80, targetPort: web}]}": "spec.ports[0].targetPort: http",
    "{selector: {app: apy}, ports: [{port: 80, targetPort: http}]}": "spec.selector: {app: api}",
    "{selector: {ap: api}, ports: [{port: 80, targetPort: http}]}": "spec.selector: {app: api}",
}


def cluster_with(spec: str) -> Cluster:
    cluster = Cluster(nodes=2)
    cluster.apply(PODS + SERVICE + spec)
    return cluster


@pytest.mark.parametrize(("spec", "line"), BROKEN.items())
def test_a_broken_service_is_mended_by_the_yaml_line_that_explain_names(spec: str, line: str) -> None:
    cluster = cluster_with(spec)
    last = cluster.trace("default/client", "svc:default/web").explain().splitlines()[-1]
    assert line in last
    (command,) = re.findall(r"`(kubectl [^`]+)`", last)
    cluster.kubectl(command)
    assert {f.outcome for f in cluster.trace("default/client", "svc:default/web").fates()} == {"connected"}


def test_each_service_is_the_reason_of_its_own_rule_though_one_sync_wrote_them_all() -> None:
    cluster = Cluster(nodes=2)
    second = SERVICE.replace("web", "other") + "{selector: {app: absent}, ports: [{port: 80}]}"
    cluster.apply(PODS + SERVICE + "{selector: {app: gone}, ports: [{port: 80}]}\n---\n" + second)
    for name in ("web", "other"):
        said = cluster.trace("default/client", f"svc:default/{name}").explain()
        assert f"written by kube-proxy because of Service default/{name}, spec.ports[0]" in said


@pytest.mark.parametrize(
    ("port", "protocol", "proposal"), [(81, "TCP", "ask for port 80."), (80, "UDP", "ask for port 80 over TCP.")]
)
def test_a_port_that_the_service_does_not_have_is_answered_with_the_port_that_it_has(
    port: int, protocol: str, proposal: str
) -> None:
    cluster = cluster_with("{selector: {app: api}, ports: [{port: 80, targetPort: http}]}")
    said = cluster.trace("default/client", "svc:default/web", port=port, protocol=protocol).explain()
    assert "whose ports are 80/TCP" in said
    assert said.endswith(proposal)


def test_one_of_several_fates_says_so_with_its_probability() -> None:
    cluster = cluster_with("{selector: {app: api}, ports: [{port: 80, targetPort: http}]}")
    said = cluster.trace("default/client", "svc:default/web").explain()
    assert "one of 3 possible fates" in said
    assert said.count("33.3 %") == 3


def test_a_cluster_ip_asked_from_outside_is_explained_by_where_it_exists() -> None:
    cluster = cluster_with(
        "{type: NodePort, selector: {app: api}, ports: [{port: 80, targetPort: http, nodePort: 30080}]}"
    )
    said = cluster.trace("outside", "svc:default/web").explain()
    assert "in the rules of the cluster's nodes only" in said
    assert said.endswith("ask for its node port, 192.168.64.11:30080.")
    assert "ask for port 30080" in cluster.trace("outside", "node:node-2", port=30081).explain()


def test_a_name_that_nobody_resolves_is_explained_by_the_missing_dns_server() -> None:
    cluster = cluster_with("{selector: {app: api}, ports: [{port: 80, targetPort: http}]}")
    said = cluster.trace("default/client", "web.default").explain()
    assert "no DNS server runs in this cluster" in said
    assert "svc:default/web" in said


def test_pods_that_are_not_ready_are_named() -> None:
    cluster = Cluster(nodes=2)
    two = "{selector: {app: two}, ports: [{port: 80}]}"
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: two, labels: {app: two}}\nspec: {containers: ["
    cluster.apply(f"{PODS}{pod}{{name: a, image: nginx}}, {{name: b, image: nginx}}]}}\n---\n{SERVICE}{two}")
    said = cluster.trace("default/client", "svc:default/web").explain()
    assert "default/two is not Ready (containers with unready status: [b])" in said


def test_a_kube_proxy_that_cannot_read_its_configuration_is_named() -> None:
    cluster = Cluster(nodes=2)
    config = cluster.get("configmap", "kube-proxy", namespace="kube-system")
    cluster.apply({**config, "data": {"config.conf": "mode: kernelspace\n"}})
    cluster.apply(PODS + SERVICE + "{selector: {app: api}, ports: [{port: 80, targetPort: http}]}")
    said = cluster.trace("default/client", "svc:default/web").explain()
    assert "kube-proxy of node-1 has stopped writing rules" in said
    assert "'kernelspace'" in said


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("10.107.1.2", "no Service has it"),
        ("10.244.0.99", "No pod has 10.244.0.99"),
        ("10.244.9.9", "in no node's part of it"),
        ("192.168.64.99", "No machine on the node network"),
        ("8.8.8.8", "No machine here has 8.8.8.8"),
    ],
)
def test_an_address_that_nobody_has_is_named_by_the_network_it_would_be_of(address: str, sentence: str) -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(PODS + SERVICE + "{ports: [{port: 80}]}")
    assert sentence in cluster.trace("default/client", address).explain()


def test_an_address_taken_away_is_put_back_together_with_the_routes_that_went_with_it() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(PODS + SERVICE + "{ports: [{port: 80}]}")
    address = cluster.get("pod", "client")["status"]["podIP"]
    cluster.pod("client").run(f"ip addr del {address}/24 dev eth0")
    last = cluster.trace("default/client", "node:node-2", port=22).explain().splitlines()[-1]
    for command in re.findall(r"`([^`]+)`", last):
        assert cluster.pod("client").run(command).exit_code == 0
    assert cluster.trace("default/client", "node:node-2", port=22).outcome == "connected"
