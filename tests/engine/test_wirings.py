"""What joins the nodes' pod ranges, whose work it is, and the laws that must hold of it."""

from __future__ import annotations

import json

import pytest
import yaml

from k8slearn import Cluster
from k8slearn.errors import Refused

from .given import DEPLOYMENT, events, pod

BOTH = pytest.mark.parametrize("network", ["bridge", "kubenet", "ptp", "flannel", "flannel-host-gw"])


def _two_pods(network: str) -> Cluster:
    cluster = Cluster(nodes=2, network=network)
    cluster.apply(pod("a", "node-1"))
    cluster.apply(pod("b", "node-2"))
    return cluster


@BOTH
def test_the_laws_of_the_network_model_hold(network: str) -> None:
    cluster = Cluster(nodes=3, network=network)
    cluster.apply(DEPLOYMENT.replace("replicas: 3", "replicas: 5"))
    cluster.apply(pod("mute", image="busybox"))
    assert [(law.name, law.holds) for law in cluster.laws()] == [
        ("pod-to-pod", True), ("agent-to-pod", True), ("no-nat", True),
    ]  # fmt: skip


@BOTH
def test_what_leaves_the_cluster_gets_its_nodes_address_and_pods_keep_theirs(network: str) -> None:
    cluster = _two_pods(network)
    assert cluster.trace("default/a", "outside").source_seen == "192.168.64.11"
    assert cluster.trace("default/a", "default/b").source_seen == cluster.get("pod", "a")["status"]["podIP"]


def test_under_bridge_each_node_has_a_route_to_every_other_one() -> None:
    cluster = Cluster(nodes=3)
    lines = cluster.node("node-2").run("ip route").stdout.splitlines()
    assert "10.244.0.0/24 via 192.168.64.11 dev eth0 proto static" in [line.strip() for line in lines]
    assert "10.244.2.0/24 via 192.168.64.13 dev eth0 proto static" in [line.strip() for line in lines]
    origin = cluster.journal.origin(("node:node-2", "route", ("main", "10.244.0.0/24", 0)))
    assert origin is not None
    assert (origin.author, origin.cause) == ("administrator", ("api", "nodes", "node-1"))


def test_a_route_that_somebody_deletes_stays_deleted_under_bridge() -> None:
    cluster = _two_pods("bridge")
    cluster.node("node-1").run("ip route del 10.244.1.0/24")
    cluster.advance(3600)
    cluster.apply(pod("c", "node-2"))
    broken = [law for law in cluster.laws() if not law.holds]
    assert [law.name for law in broken] == ["pod-to-pod"]
    witness = broken[0].witness
    assert witness is not None
    assert (witness.source, witness.destination) == ("default/a", "default/b")
    assert witness.outcome == "timeout", "the router says unreachable, but it knows no way back to a pod either"
    assert (witness.where, witness.because) == ("router", None)
    assert "decided on router: no route to 10.244.1.2" in str(broken[0])


def test_under_kubenet_the_cloud_puts_a_deleted_route_back_after_a_while() -> None:
    cluster = _two_pods("kubenet")
    assert cluster.trace("default/a", "default/b").outcome == "connected"
    assert "router" in {step.where for step in cluster.trace("default/a", "default/b").steps}
    cluster.advance(3)
    routes = dict(cluster.world.table("router", "route"))
    cluster.engine.verbs["fault"] = cluster.engine.verbs["run"]._replace(run=_no_route)
    cluster.engine.do("fault", {"command": "-"})
    assert cluster.trace("default/a", "default/b").outcome == "unreachable"
    cluster.advance(5)
    assert cluster.trace("default/a", "default/b").outcome == "unreachable"
    cluster.advance(5)
    assert cluster.trace("default/a", "default/b").outcome == "connected"
    assert cluster.world.table("router", "route") == routes


def _no_route(world, arguments):  # type: ignore[no-untyped-def]  # a verb as small as it gets
    from k8slearn.linux import route

    yield from route.delete(world, "router", "10.244.1.0/24")


def test_nodes_of_a_cloud_say_that_their_network_is_there() -> None:
    cluster = Cluster(nodes=1, network="kubenet")
    conditions = {c["type"]: c for c in cluster.get("node", "node-1")["status"]["conditions"]}
    assert conditions["NetworkUnavailable"]["status"] == "False"
    assert conditions["NetworkUnavailable"]["reason"] == "RouteCreated"
    assert conditions["Ready"]["status"] == "True"


def test_a_node_that_waits_for_its_pod_range_has_no_network_configuration() -> None:
    cluster = Cluster(nodes=2, pod_cidr="10.244.0.0/24")
    assert cluster.node("node-1").run("ls /etc/cni/net.d").stdout == "10-bridge.conflist\n"
    assert "10-bridge" not in cluster.node("node-2").run("ls /etc/cni/net.d").stdout
    assert events(cluster, "CIDRNotAvailable")


def test_a_broken_law_names_a_translation_that_should_not_be() -> None:
    cluster = _two_pods("bridge")
    result = cluster.node("node-1").run("iptables -t nat -I POSTROUTING -s 10.244.0.0/24 -j MASQUERADE")
    assert result.exit_code == 0, result.stderr
    broken = {law.name: law for law in cluster.laws() if not law.holds}
    assert list(broken) == ["no-nat"]
    assert "saw 192.168.64.11, but the sender's address is 10.244.0.2" in str(broken["no-nat"])
    assert "decided on node-1: -A POSTROUTING -s 10.244.0.0/24 -j MASQUERADE" in str(broken["no-nat"])


def test_wirings_are_compared_on_the_same_objects_and_the_same_question() -> None:
    cluster = _two_pods("bridge")
    found = cluster.compare(["bridge", "kubenet"], "default/a", "default/b")
    assert {name: trace.outcome for name, trace in found.traces.items()} == {
        "bridge": "connected",
        "kubenet": "connected",
    }
    ways = {name: told["way there"] for name, told in found.table.items()}
    assert ways["bridge"] == "default/a > node-1 > switch > node-2 > default/b"
    assert ways["kubenet"] == "default/a > node-1 > switch > router > switch > node-2 > default/b"
    assert "route-controller" in found.table["kubenet"]["programmed by"]
    assert found.sentences()[0] == "They differ in way there, way back, ttl and programmed by."
    assert found.sentences()[-1].endswith("that nobody translates between pods, holds.")


def test_a_comparison_is_a_table_in_text_and_in_html_and_plain_data() -> None:
    found = _two_pods("bridge").compare(["bridge", "kubenet", "flannel", "flannel-host-gw"], "default/a", "default/b")
    assert found.table["flannel"]["headers"] == "VXLAN (vni 1) 192.168.64.11 > 192.168.64.12 around it"
    assert found.table["flannel"]["mtu"] == "1450, narrowest 1450"
    assert set(found.differs()) == {"way there", "way back", "headers", "ttl", "mtu", "programmed by"}
    assert '<th scope="row" title="bytes: of the sender' in found.html()
    assert found._repr_mimebundle_()["text/plain"] == str(found)
    data = json.loads(json.dumps(found.to_dict()))
    assert data["wirings"]["kubenet"]["trace"]["outcome"] == "connected"
    assert data["differs"]["mtu"]["flannel"] == "1450, narrowest 1450"


def test_a_comparison_names_the_wiring_that_breaks_the_law() -> None:
    cluster = _two_pods("bridge")
    cluster.node("node-1").run("iptables -t nat -I POSTROUTING -s 10.244.0.0/24 -j MASQUERADE")
    assert (
        "is broken by bridge (10.244.0.2 is seen as 192.168.64.11)"
        in cluster.compare(["bridge"], "default/a", "default/b").text()
    )
    assert cluster.compare([], "default/a", "default/b").text() == "no wiring was asked for"
    assert "holds" not in cluster.compare(["bridge"], "node:node-1", "outside").text()


def test_a_matrix_says_for_every_pair_what_becomes_of_it() -> None:
    cluster = _two_pods("bridge")
    matrix = cluster.reachability()
    assert matrix.allowed("default/a", "default/b")
    cluster.node("node-2").run("sysctl -w net.ipv4.ip_forward=0")
    matrix = cluster.reachability()
    assert not matrix.allowed("default/a", "default/b")
    assert matrix.allowed("default/a", "default/a")
    assert matrix.outcome("default/a", "default/b") == "timeout"
    assert "T" in matrix.text()
    with pytest.raises(Refused, match="'default/x' is no pod of this matrix"):
        matrix.allowed("default/a", "default/x")


def test_a_policy_that_nobody_enforces_is_only_text() -> None:
    cluster = _two_pods("bridge")
    metadata, spec = {"name": "deny"}, {"podSelector": {}}
    cluster.apply({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec})
    assert not cluster.policy_allows("default/a", "default/b")
    assert cluster.trace("default/a", "default/b").outcome == "connected"


def test_one_question_under_every_wiring_has_one_answer() -> None:
    cluster = _two_pods("bridge")
    networks = ["bridge", "ptp", "flannel", "flannel-host-gw", "kubenet"]
    compared = cluster.compare(networks, "default/a", "default/b")
    assert compared.odd == ()
    for network in networks:
        trace = compared[network]
        assert (trace.outcome, trace.answered_by, trace.source_seen) == ("connected", "default/b", "10.244.0.2")
    wrapped = [name for name in networks if any(s.after.vni for s in compared[name].steps)]
    assert wrapped == ["flannel"], "one overlay, and the others send pods' packets as they are"
    by_router = [name for name in networks if any(s.where == "router" for s in compared[name].steps)]
    assert by_router == ["kubenet"]


OWN = {
    "cniVersion": "1.0.0",
    "name": "mine",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "br7",
            "isDefaultGateway": True,
            "ipam": {"type": "host-local", "subnet": "{{.PodCIDR}}"},
        }
    ],
}


def test_a_cni_configuration_of_ones_own_is_installed_with_each_nodes_pod_range() -> None:
    cluster = Cluster(nodes=2, network=OWN)
    cluster.apply([*map(yaml.safe_load, (pod("a", "node-1"), pod("b", "node-2")))])
    assert '"subnet": "10.244.1.0/24"' in cluster.node("node-2").run("cat /etc/cni/net.d/10-mine.conflist").stdout
    assert "10.244.1.1/24" in cluster.node("node-2").run("ip addr show br7").stdout
    assert cluster.trace("default/a", "default/b").source_seen == "10.244.0.2"
    assert "network 'mine'" in repr(cluster)
    both = cluster.compare(["bridge", OWN], "default/a", "default/b")
    assert {name: trace.outcome for name, trace in both.traces.items()} == {"bridge": "connected", "mine": "connected"}


def test_the_first_configuration_by_name_is_the_nodes_network() -> None:
    cluster = Cluster(nodes=1, network="bridge")
    named = {"name": "other", "plugins": [{"type": "none-such"}]}
    copies = "args: [-f, /from/a, /etc/cni/net.d/{name}]"
    daemon = f"""
apiVersion: v1
kind: ConfigMap
metadata: {{name: other, namespace: kube-system}}
data: {{a: '{json.dumps(named)}'}}
---
apiVersion: v1
kind: Pod
metadata: {{name: install, namespace: kube-system}}
spec:
  hostNetwork: true
  nodeName: node-1
  restartPolicy: Never
  volumes: [{{name: a, configMap: {{name: other}}}}, {{name: net, hostPath: {{path: /etc/cni/net.d}}}}]
  containers:
  - name: c
    image: busybox
    command: [cp]
    {copies}
    volumeMounts: [{{name: a, mountPath: /from}}, {{name: net, mountPath: /etc/cni/net.d}}]
"""
    cluster.apply(daemon.replace("{name}", "20-other.conflist"))
    cluster.apply(pod("a", "node-1"))
    assert cluster.get("pod", "a")["status"]["phase"] == "Running"
    cluster.kubectl("delete pod install -n kube-system")
    cluster.apply(daemon.replace("{name}", "05-other.conflist"))
    cluster.apply(pod("b", "node-1"))
    assert 'failed to find plugin "none-such" in path [/opt/cni/bin]' in events(cluster, "FailedCreatePodSandBox")[0]
    assert cluster.trace("node:node-1", "default/a").outcome == "connected", "pods that run stay connected"
