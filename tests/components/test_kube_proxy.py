"""When kube-proxy writes its rules, and when it leaves them as they are."""

from __future__ import annotations

import pytest

from k8slearn import Cluster
from k8slearn.components.kube_proxy import everything
from k8slearn.components.kube_proxy.config import Config
from k8slearn.journal import Change, Put, World
from k8slearn.linux.rules import Chain

WEB = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {nodeName: node-2, containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.96.0.50, selector: {app: web}, ports: [{port: 80}]}
"""
OTHER = """
apiVersion: v1
kind: Service
metadata: {name: other}
spec: {clusterIP: 10.96.0.60, selector: {app: web}, ports: [{port: 81, targetPort: 80}]}
"""
SVC = "KUBE-SVC-LOLE4ISW44XBNF3G"
"""base32(sha256("default/webtcp")): the chain of the Service default/web."""


@pytest.fixture
def cluster() -> Cluster:
    cluster = Cluster(nodes=2)
    cluster.apply(WEB)
    return cluster


def chain(cluster: Cluster, name: str, table: str = "nat", node: str = "node-1") -> Chain | None:
    found: Chain | None = cluster.world.get((f"node:{node}", "chain", ("ip", table, name)))
    return found


def outcome(cluster: Cluster) -> str:
    return cluster.trace("node:node-1", "svc:default/web").outcome


def flush(cluster: Cluster, name: str) -> None:
    assert cluster.node("node-1").run(f"iptables -t nat -F {name}").exit_code == 0


def test_a_services_rule_deleted_by_hand_stays_deleted_while_other_services_change(cluster: Cluster) -> None:
    flush(cluster, SVC)
    cluster.apply(OTHER)
    cluster.advance(60)
    assert chain(cluster, SVC) == Chain()
    assert outcome(cluster) != "connected"


def test_a_services_rule_deleted_by_hand_comes_back_when_its_service_changes(cluster: Cluster) -> None:
    before = chain(cluster, SVC)
    flush(cluster, SVC)
    cluster.apply(
        WEB.replace("port: 80}]}\n", "port: 80}, {name: more, port: 90}]}\n").replace(
            "[{port: 80", "[{name: a, port: 80"
        )
    )
    cluster.apply(WEB)
    assert chain(cluster, SVC) == before
    assert outcome(cluster) == "connected"


def test_a_services_rule_deleted_by_hand_comes_back_with_the_hourly_full_sync(cluster: Cluster) -> None:
    flush(cluster, SVC)
    cluster.advance(3599)
    assert outcome(cluster) != "connected"
    cluster.advance(1)
    assert outcome(cluster) == "connected"


def test_a_rule_of_a_shared_chain_comes_back_with_the_next_sync_of_any_service(cluster: Cluster) -> None:
    flush(cluster, "KUBE-SERVICES")
    assert outcome(cluster) != "connected"
    cluster.apply(OTHER)
    assert outcome(cluster) == "connected"


def test_a_jump_deleted_by_hand_does_not_come_back_with_a_partial_sync(cluster: Cluster) -> None:
    flush(cluster, "OUTPUT")
    cluster.apply(OTHER)
    assert outcome(cluster) != "connected"


def test_all_rules_thrown_away_are_noticed_within_thirty_seconds(cluster: Cluster) -> None:
    before = cluster.node("node-1").run("iptables-save -t nat").stdout
    for option in ("-F", "-X"):
        assert cluster.node("node-1").run(f"iptables -t nat {option}").exit_code == 0
    cluster.advance(29)
    assert outcome(cluster) != "connected"
    cluster.advance(1)
    assert outcome(cluster) == "connected"
    kept = [line for line in cluster.node("node-1").run("iptables-save -t nat").stdout.splitlines() if "KUBE-" in line]
    assert kept == [line for line in before.splitlines() if "KUBE-" in line]


def test_a_deleted_service_takes_its_chains_along(cluster: Cluster) -> None:
    cluster.delete("service", "web")
    names = [key[2] for key in cluster.world.table("node:node-1", "chain")]
    assert SVC not in names
    assert len([name for name in names if name.startswith("KUBE-SEP-")]) == 1, "only that of default/kubernetes"


def test_a_service_whose_pods_are_gone_is_refused(cluster: Cluster) -> None:
    cluster.delete("pod", "web")
    assert cluster.trace("node:node-1", "10.96.0.50").outcome == "refused"
    assert chain(cluster, SVC) is None


def test_one_of_two_slices_deleted_by_hand_takes_its_endpoint_out(cluster: Cluster) -> None:
    extra = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "by-hand", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "", "port": 80, "protocol": "TCP"}],
        "endpoints": [{"addresses": ["10.244.1.200"]}],
    }
    cluster.apply(extra)
    assert len((chain(cluster, SVC) or Chain()).rules) == 3
    cluster.delete("endpointslice", "by-hand")
    assert len((chain(cluster, SVC) or Chain()).rules) == 2


def test_equal_chains_are_one_value_on_all_nodes() -> None:
    cluster = Cluster(nodes=5)
    cluster.apply(WEB)
    for name in (SVC, "KUBE-SERVICES", "KUBE-POSTROUTING"):
        everywhere = {id(chain(cluster, name, node=f"node-{n}")) for n in range(1, 6)}
        assert len(everywhere) == 1, name


def test_every_rule_says_what_it_was_written_for(cluster: Cluster) -> None:
    because = [rule.because for rule in (chain(cluster, SVC) or Chain()).rules]
    assert because[0] == "Service default/web, spec.ports[0]"
    assert because[1].startswith("EndpointSlice default/web-")
    assert because[1].endswith(", endpoints[0]")
    origin = cluster.journal.origin(("node:node-1", "chain", ("ip", "nat", SVC)))
    assert isinstance(origin, Change)
    assert (origin.author, origin.cause) == ("kube-proxy", ("api", "services", "default/web"))


def configure(cluster: Cluster, text: str) -> None:
    metadata = {"name": "kube-proxy", "namespace": "kube-system"}
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"config.conf": text}})


def test_masquerade_all_hides_the_client(cluster: Cluster) -> None:
    cluster.apply(
        WEB.partition("---")[0].replace("name: web, labels: {app: web}", "name: client").replace("node-2", "node-1")
    )
    assert (
        cluster.trace("default/client", "svc:default/web").source_seen
        == cluster.get("pod", "client")["status"]["podIP"]
    )
    configure(cluster, "clusterCIDR: 10.244.0.0/16\niptables: {masqueradeAll: true}")
    assert cluster.trace("default/client", "svc:default/web").source_seen == "192.168.64.11"


@pytest.mark.parametrize(
    "text", ["clusterCIDR: [", "clusterCIDR: 10.244.0.0/99", "mode: ipvs", "- a list", "iptables: {masqueradeBit: 99}"]
)
def test_a_configuration_that_kube_proxy_cannot_start_with_leaves_the_rules_as_they_are(
    cluster: Cluster, text: str
) -> None:
    configure(cluster, text)
    cluster.delete("pod", "web")
    assert chain(cluster, SVC) is not None
    configure(cluster, "clusterCIDR: 10.244.0.0/16")
    assert chain(cluster, SVC) is None


def test_without_a_proxy_no_service_is_translated() -> None:
    cluster = Cluster(nodes=2, proxy="none")
    cluster.apply(WEB)
    assert not [key for key in cluster.world.table("node:node-1", "chain") if str(key[2]).startswith("KUBE-")]
    assert outcome(cluster) == "unreachable", "the router does not know the cluster network"


def test_the_nodes_own_kernel_may_route_localhost_for_node_ports(cluster: Cluster) -> None:
    assert cluster.node("node-1").run("sysctl net.ipv4.conf.all.route_localnet").stdout.strip().endswith("= 1")


def test_with_more_than_a_thousand_endpoints_the_rules_that_name_them_lose_their_comments() -> None:
    world = World()
    world.apply(Put(("api", "nodes", "node-1"), {"metadata": {"name": "node-1"}}))
    ports = [{"name": "p80", "port": 80, "protocol": "TCP"}]
    world.apply(Put(("api", "services", "ns1/svc1"), {"spec": {"clusterIP": "172.30.0.41", "ports": ports}}))
    for count, comments in ((1000, 1000), (1001, 0)):
        endpoints = [{"addresses": [f"10.0.{n // 250}.{n % 250}"]} for n in range(count)]
        labels = {"kubernetes.io/service-name": "svc1"}
        piece = {"metadata": {"labels": labels}, "addressType": "IPv4", "ports": ports, "endpoints": endpoints}
        world.apply(Put(("api", "endpointslices", "ns1/svc1-1"), piece))
        lines = [str(line) for written in everything(world, "node-1", Config()) for line in written.lines]
        assert sum("--to-destination" in line and "--comment" in line for line in lines) == comments
    assert "-A KUBE-SEP-DKGQUZGBKLTPAR56 -m tcp -p tcp -j DNAT --to-destination 10.0.0.0:80" in lines
