"""The kubelet's command line: what a file says counts at the next start, and what a version does not know ends it."""

from __future__ import annotations

import pytest

from k8slearn import Cluster
from k8slearn.components.kubelet import flags
from k8slearn.errors import Refused

EXTRA = "/etc/default/kubelet"
POD = (
    "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {nodeName: node-2, containers: [{name: c, image: nginx}]}}"
)


def started(cluster: Cluster, words: str) -> str:
    """Give node-2's kubelet further flags and start it again; how it is then."""
    node = cluster.node("node-2")
    node.run(f"tee {EXTRA}", stdin=f'KUBELET_EXTRA_ARGS="{words}"\n')
    node.run("systemctl restart kubelet")
    return node.run("systemctl status kubelet").stdout


def test_since_1_24_the_kubelet_does_not_know_the_flag_and_its_node_falls_silent() -> None:
    cluster = Cluster(nodes=2, network="bridge", kubernetes="1.24")
    cluster.apply(POD)
    assert "activating (auto-restart) (Result: exit-code)" in started(cluster, "--network-plugin=kubenet")
    said = cluster.node("node-2").run("journalctl -u kubelet").stdout
    assert said.endswith("Error: failed to parse kubelet flag: unknown flag: --network-plugin\n")
    cluster.advance(60)
    assert "node-2   NotReady" in cluster.kubectl("get nodes")
    assert cluster.trace("node:node-1", "default/a").outcome == "connected", "its pods run on"
    cluster.node("node-2").run(f"rm {EXTRA}")
    assert "active (running)" not in cluster.node("node-2").run("systemctl status kubelet").stdout
    cluster.node("node-2").run("systemctl restart kubelet")
    cluster.advance(10)
    assert "node-2   Ready" in cluster.kubectl("get nodes")


def test_kubenets_flags_are_heeded_by_the_next_pod() -> None:
    cluster = Cluster(nodes=2, network="kubenet")
    started(cluster, "--hairpin-mode=hairpin-veth --network-plugin-mtu=1400 --non-masquerade-cidr=0.0.0.0/0")
    cluster.apply(POD)
    node = cluster.node("node-2")
    assert " mtu 1400 " in node.run("ip link show cbr0").stdout
    assert "PROMISC" not in node.run("ip link show cbr0").stdout
    assert "hairpin on" in node.run("bridge -d link").stdout
    started(cluster, "--hairpin-mode=none")
    assert cluster.trace("node:node-1", "default/a").outcome == "connected"


def test_pods_are_told_the_name_servers_that_the_kubelet_was_told() -> None:
    cluster = Cluster(nodes=2, dns=True)
    started(cluster, "--cluster-dns=169.254.20.10,10.96.0.10")
    cluster.apply(POD)
    told = cluster.pod("a").run("cat /etc/resolv.conf").stdout
    assert "nameserver 169.254.20.10\nnameserver 10.96.0.10\n" in told


def test_a_node_with_a_network_of_cni_gets_kubenet_when_its_kubelet_is_told_so() -> None:
    cluster = Cluster(nodes=2, network="bridge", kubernetes="1.23")
    started(cluster, "--network-plugin=kubenet")
    cluster.apply(POD)
    assert "cbr0" in cluster.node("node-2").run("ip link").stdout
    assert "cbr0" not in cluster.node("node-1").run("ip link").stdout


@pytest.mark.parametrize(
    ("kubernetes", "words"),
    [
        ("1.23", "--network-plugin=cni --pod-infra-container-image=k8s.gcr.io/pause:3.6"),
        (
            "1.26",
            "--container-runtime=remote --container-runtime-endpoint=unix:///var/run/containerd/containerd.sock "
            "--pod-infra-container-image=registry.k8s.io/pause:3.8",
        ),
        (
            "1.29",
            "--container-runtime-endpoint=unix:///var/run/containerd/containerd.sock "
            "--pod-infra-container-image=registry.k8s.io/pause:3.9",
        ),
        ("1.37", ""),
    ],
)
def test_kubeadm_writes_what_its_version_wrote(kubernetes: str, words: str) -> None:
    cluster = Cluster(nodes=1, kubernetes=kubernetes)
    assert cluster.node("node-1").run(f"cat {flags.KUBEADM_FLAGS}").stdout == f'KUBELET_KUBEADM_ARGS="{words}"\n'
    assert cluster.node("node-1").run("systemctl is-active kubelet").stdout == "active\n"
    assert cluster.node("node-1").run("kubelet --version").stdout.startswith(f"Kubernetes v{kubernetes}.")


@pytest.mark.parametrize(
    ("words", "minor", "sentence"),
    [
        ("--hairpin-mode=x", 23, 'option "x" specified for HairpinMode'),
        ("--network-plugin=weave", 23, "--network-plugin=weave is not modelled here: it may be cni or kubenet"),
        ("--non-masquerade-cidr=ten", 23, "--non-masquerade-cidr=ten is not modelled here: it may be an IPv4 network"),
        ("--container-runtime=remote", 27, "unknown flag: --container-runtime"),
        ("--cluster-dns=10.96.0.256", 37, "--cluster-dns=10.96.0.256 is not modelled here: it may be IPv4 addresses"),
        ("--no-such", 37, "unknown flag: --no-such"),
    ],
)
def test_what_a_kubelet_does_not_take_is_said_in_its_words(words: str, minor: int, sentence: str) -> None:
    with pytest.raises(Refused) as error:
        flags.parse(words.split(), minor)
    assert sentence in str(error.value)


def test_by_hand_it_says_the_same() -> None:
    node = Cluster(nodes=1).node("node-1")
    done = node.run("kubelet --network-plugin=cni")
    assert (done.stderr, done.exit_code) == ("Error: failed to parse kubelet flag: unknown flag: --network-plugin\n", 1)
    assert "one runs here already" in node.run("kubelet --v=4").stderr


def test_a_cloud_takes_so_many_routes_and_no_more() -> None:
    cluster = Cluster(nodes=4, network="kubenet", topology={"cloud_routes": 3})
    cluster.apply(
        "{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: d}, spec: {selector: {matchLabels: {a: b}}, "
        "template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: nginx}]}}}}"
    )
    assert "the network takes 3 routes and has 3" in cluster.kubectl("get events")
    assert "NetworkUnavailable   True" in cluster.kubectl("describe node node-4")
    nodes = {pod["spec"]["nodeName"]: f"default/{pod['metadata']['name']}" for pod in cluster.get("pods")}
    assert cluster.trace(nodes["node-1"], nodes["node-3"]).outcome == "connected"
    assert "node-4" not in nodes or cluster.trace(nodes["node-1"], nodes["node-4"]).outcome != "connected"
