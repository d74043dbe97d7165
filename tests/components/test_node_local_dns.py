"""NodeLocal DNSCache: who answers, which packets are sent for it, what it writes on a node, and what is left of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from k8slearn import Cluster, manifests
from k8slearn.cni import cri
from k8slearn.lookups import Looked

NAMES = ("web", "web.default.svc.cluster.local", "kubernetes.default", "all", "example.com", "nope", "1-2-3-4.x.pod")
KINDS: list[dict[str, Any]] = [
    {"network": "bridge"},
    {"network": "ptp", "proxy": "nftables"},
    {"network": "flannel", "proxy": "ipvs"},
    {"network": "calico"},
    {"network": "vpc"},
    {"network": "kubenet"},
]
SKIP = '-m comment --comment "NodeLocal DNS Cache: skip conntrack" -j NOTRACK'
ALLOW = '-m comment --comment "NodeLocal DNS Cache: allow DNS traffic" -j ACCEPT'
RAW = [
    *(f"-A PREROUTING -d {{ip}}/32 -p {proto} -m {proto} --dport 53 {SKIP}" for proto in ("udp", "tcp")),
    f"-A OUTPUT -s {{ip}}/32 -p tcp -m tcp --sport 8080 {SKIP}",
    f"-A OUTPUT -d {{ip}}/32 -p tcp -m tcp --dport 8080 {SKIP}",
    *(f"-A OUTPUT -d {{ip}}/32 -p {proto} -m {proto} --dport 53 {SKIP}" for proto in ("udp", "tcp")),
    *(f"-A OUTPUT -s {{ip}}/32 -p {proto} -m {proto} --sport 53 {SKIP}" for proto in ("udp", "tcp")),
]
"""One address' rules as iptables-save prints them after the real node-cache has put each at the top of its chain."""
FILTER = [
    *(f"-A INPUT -d {{ip}}/32 -p {proto} -m {proto} --dport 53 {ALLOW}" for proto in ("udp", "tcp")),
    *(f"-A OUTPUT -s {{ip}}/32 -p {proto} -m {proto} --sport 53 {ALLOW}" for proto in ("udp", "tcp")),
]
LOCAL, KUBE_DNS = "169.254.20.10", "10.96.0.10"


def pod(name: str, node: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"run": name}},
        "spec": {"nodeName": node, "containers": [{"name": name, "image": "nginx"}]},
    }


def service(name: str, **spec: Any) -> dict[str, Any]:
    spec = {"selector": {"run": "web"}, "ports": [{"name": "http", "port": 80}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def cluster_with(dns: Any, **kind: Any) -> Cluster:
    cluster = Cluster(nodes=2, dns=dns, **kind)
    cluster.apply([pod("a", "node-1"), pod("web", "node-2")])
    cluster.apply([service("web", clusterIP="10.96.0.77"), service("all", clusterIP="None")])
    cluster.advance(20)
    return cluster


@pytest.fixture(scope="module")
def start() -> Cluster:
    return cluster_with("node-local-dns")


@pytest.fixture
def cluster(start: Cluster) -> Cluster:
    return start.at(start.journal.revision)


def cache_on(cluster: Cluster, node: str = "node-1") -> str:
    found = cluster.get("pods", namespace="kube-system")
    names = {p["metadata"]["name"]: p["spec"]["nodeName"] for p in found}
    return next(name for name in names if name.startswith("node-local-dns-") and names[name] == node)


def process(cluster: Cluster, node: str = "node:node-1") -> int:
    rows = cluster.engine.world.table(node, "container").values()
    return next(cri.process_id(row.id) for row in rows if row.program == "node-cache" and row.state == cri.RUNNING)


def servers(found: Looked) -> list[str | None]:
    return [query.answered_by for query in found.queries]


def beyond(found: Looked) -> list[tuple[str, str]]:
    """Whom the servers had to ask, and how."""
    asides = [aside for sent in found.lookup.queries for aside in sent.attempt.asides]
    packets = [aside.legs[0].steps[0].before for aside in asides]
    return [(packet.dst, packet.proto) for packet in packets]


def owned(cluster: Cluster, table: str, node: str = "node-1") -> list[str]:
    lines = cluster.node(node).run(f"iptables-save -t {table}").stdout.splitlines()
    return [line for line in lines if "NodeLocal" in line]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(kind.values()))
def test_every_name_has_the_same_answer_with_a_cache_and_without(kind: dict[str, Any]) -> None:
    def answers(cluster: Cluster, asker: str, name: str) -> list[tuple[Any, ...]]:
        found = cluster.lookup(asker, name)
        return [(query.name, query.type, query.rcode, sorted(query.answers)) for query in found.queries]

    cached, plain = cluster_with("node-local-dns", **kind), cluster_with(True, **kind)
    for name in NAMES:
        for asker in ("default/a", "default/web"):
            assert answers(cached, asker, name) == answers(plain, asker, name), (asker, name)
    for name in NAMES[:5]:
        cached.send("default/a", name)
        assert answers(cached, "default/a", name) == answers(plain, "default/a", name), name
        assert cached.trace("default/a", name).outcome == plain.trace("default/a", name).outcome


def test_the_rules_are_those_of_the_real_node_cache(cluster: Cluster) -> None:
    for table, rules in (("raw", RAW), ("filter", FILTER)):
        wanted = [rule.format(ip=ip) for ip in (KUBE_DNS, LOCAL) for rule in rules]
        assert sorted(owned(cluster, table)) == sorted(wanted)
        for chain in ("PREROUTING", "INPUT", "OUTPUT"):
            own = [rule for rule in wanted if rule.startswith(f"-A {chain} ")]
            lines = cluster.node("node-1").run(f"iptables -t {table} -S {chain}").stdout.splitlines()
            assert lines[1 : 1 + len(own)] == own
    shown = cluster.node("node-1").run("ip addr show dev nodelocaldns").stdout
    assert "<BROADCAST,NOARP> mtu 1500 qdisc noop state DOWN group default \n" in shown
    assert f"inet {LOCAL}/32 scope global nodelocaldns" in shown
    assert f"inet {KUBE_DNS}/32 scope global nodelocaldns" in shown


def test_a_query_that_the_cache_can_answer_leaves_no_node(cluster: Cluster) -> None:
    cold = cluster.lookup("default/a", "web")
    upstream = cluster.get("services", "kube-dns-upstream", "kube-system")["spec"]["clusterIP"]
    assert beyond(cold) == [(upstream, "tcp")] * 2
    assert cluster.pod("a").run("nslookup web").exit_code == 0
    warm = cluster.lookup("default/a", "web")
    assert beyond(warm) == []
    assert set(servers(warm)) == {f"kube-system/{cache_on(cluster)}"}
    for query in warm.queries:
        assert {step.where.partition("/")[0] for step in query.trace.steps} == {"node:node-1"}
        assert [leg.name for leg in query.trace.attempt.legs] == ["request", "answer"]
        assert "eth0" not in {step.dev for step in query.trace.steps if step.where == "node:node-1"}
    assert "asked nobody: its cache has web.default.svc.cluster.local. A, kept until second 50" in warm.explain()
    assert len(beyond(cluster.lookup("default/web", "web.default.svc.cluster.local."))) == 2


def test_asking_what_would_happen_warms_no_cache(cluster: Cluster) -> None:
    for _ in range(2):
        assert len(beyond(cluster.lookup("default/a", "web"))) == 2


def test_an_answer_is_kept_for_thirty_seconds_and_a_denial_for_five(cluster: Cluster) -> None:
    cluster.send("default/a", "web")
    assert beyond(cluster.lookup("default/a", "web")) == []
    cluster.advance(5)
    assert len(beyond(cluster.lookup("default/a", "web"))) == 1  # AAAA: there is none, which is a denial
    cluster.advance(24)
    assert " 1 IN\tA" in cluster.pod("a").run("dig +noall +answer web.default.svc.cluster.local").stdout
    cluster.advance(1)
    assert len(beyond(cluster.lookup("default/a", "web"))) == 2


def test_a_service_that_is_deleted_is_known_for_as_long_as_the_cache_keeps_it(cluster: Cluster) -> None:
    cluster.send("default/a", "web")
    cluster.kubectl("delete service web")
    assert cluster.lookup("default/a", "web").addresses == ("10.96.0.77",)
    cluster.advance(30)
    assert cluster.lookup("default/a", "web").error == "Name or service not known"


def test_names_of_the_world_go_to_the_nodes_own_servers_over_udp(cluster: Cluster) -> None:
    assert beyond(cluster.lookup("default/a", "example.com.")) == [("203.0.113.53", "udp")] * 2
    cluster.kubectl("scale deployment coredns -n kube-system --replicas=0")
    assert cluster.lookup("default/a", "example.com.").addresses == ("203.0.113.80",)


@pytest.mark.parametrize("dns", [True, "node-local-dns"])
def test_only_without_the_cache_a_pods_query_is_a_connection(dns: Any) -> None:
    cluster = cluster_with(dns)
    cluster.pod("a").run("dig web.default.svc.cluster.local")
    own = cluster.get("pods", "a")["status"]["podIP"]
    lines = cluster.node("node-1").run("conntrack -L").stdout.splitlines()
    udp = [line for line in lines if line.startswith("udp") and f"src={own} " in line]
    assert len(udp) == (1 if dns is True else 0)
    tcp = [line for line in lines if line.startswith("tcp") and "dport=53" in line]
    assert len(tcp) == (0 if dns is True else 1)


def test_under_ipvs_pods_are_told_the_local_address() -> None:
    cluster = cluster_with("node-local-dns", proxy="ipvs")
    assert f"nameserver {LOCAL}\n" in cluster.pod("a").run("cat /etc/resolv.conf").stdout
    assert "--cluster-dns=169.254.20.10" in cluster.node("node-1").run("cat /etc/default/kubelet").stdout
    assert KUBE_DNS not in cluster.node("node-1").run("ip addr show dev nodelocaldns").stdout
    assert sorted(owned(cluster, "raw")) == sorted(rule.format(ip=LOCAL) for rule in RAW)
    found = cluster.lookup("default/a", "web")
    assert (found.addresses, beyond(found)) == (("10.96.0.77",), [(KUBE_DNS, "tcp")] * 2)


def test_in_iptables_mode_pods_may_ask_either_address(cluster: Cluster) -> None:
    for server in (LOCAL, KUBE_DNS):
        said = cluster.pod("a").run(f"dig +short @{server} web.default.svc.cluster.local").stdout
        assert said == "10.96.0.77\n"


def test_what_somebody_deletes_comes_back_within_the_minute(cluster: Cluster) -> None:
    node = cluster.node("node-1")
    node.run("iptables -t raw -F PREROUTING")
    node.run("ip link del nodelocaldns")
    cluster.advance(39)
    assert "nodelocaldns" not in node.run("ip -br link").stdout
    assert servers(cluster.lookup("default/a", "web"))[0].startswith("kube-system/coredns-")  # type: ignore[union-attr]
    cluster.advance(1)
    assert len(owned(cluster, "raw")) == 2 * len(RAW)
    assert LOCAL in node.run("ip addr show dev nodelocaldns").stdout


def test_without_the_daemonset_nothing_is_left_and_coredns_answers(cluster: Cluster) -> None:
    cluster.kubectl("delete daemonset node-local-dns -n kube-system")
    cluster.advance(1)
    assert owned(cluster, "raw") == owned(cluster, "filter") == []
    assert "nodelocaldns" not in cluster.node("node-1").run("ip -br link").stdout
    assert servers(cluster.lookup("default/a", "web"))[0].startswith("kube-system/coredns-")  # type: ignore[union-attr]


def test_a_pod_that_is_deleted_makes_place_for_one_with_an_empty_cache(cluster: Cluster) -> None:
    cluster.send("default/a", "web")
    old = cache_on(cluster)
    cluster.kubectl(f"delete pod {old} -n kube-system")
    assert cache_on(cluster) != old
    assert len(owned(cluster, "raw")) == 2 * len(RAW)
    assert len(beyond(cluster.lookup("default/a", "web"))) == 2


def test_a_killed_cache_leaves_rules_that_lead_nowhere_until_it_is_back(cluster: Cluster) -> None:
    for _ in range(2):  # the second death is followed by a back-off
        cluster.node("node-1").run(f"kill -9 {process(cluster)}")
    assert len(owned(cluster, "raw")) == 2 * len(RAW)
    found = cluster.lookup("default/a", "web")
    assert found.error == "Temporary failure in name resolution"
    assert found.queries[0].trace.outcome == "refused"
    assert "here nodelocaldns of node-1 has it, too" in found.explain()
    assert "ip addr del" not in found.explain()
    assert cluster.lookup("default/web", "web.default").addresses == ("10.96.0.77",)
    cluster.advance(10)
    assert cluster.lookup("default/a", "web").addresses == ("10.96.0.77",)


def test_a_cache_that_hears_sigterm_takes_its_rules_away(cluster: Cluster) -> None:
    for _ in range(2):
        cluster.node("node-1").run(f"kill {process(cluster)}")
    assert owned(cluster, "raw") == []
    assert servers(cluster.lookup("default/a", "web"))[0].startswith("kube-system/coredns-")  # type: ignore[union-attr]


def test_a_reboot_leaves_nothing_and_all_of_it_comes_back(cluster: Cluster) -> None:
    cluster.node("node-1").run("reboot")
    cluster.advance(30)
    assert len(owned(cluster, "raw")) == 2 * len(RAW)
    assert cluster.lookup("default/a", "web").addresses == ("10.96.0.77",)


def test_with_a_wrong_corefile_it_makes_the_device_and_no_rules(cluster: Cluster) -> None:
    config = cluster.get("configmaps", "node-local-dns", "kube-system")
    config["data"]["Corefile"] = config["data"]["Corefile"].replace("errors", "erors", 1)
    cluster.apply(config)
    assert cluster.lookup("default/a", "web").addresses == ("10.96.0.77",)
    cluster.kubectl("rollout restart daemonset node-local-dns -n kube-system")
    cluster.advance(2)
    logs = cluster.kubectl("logs -n kube-system -l k8s-app=node-local-dns")
    assert "Corefile:2 - Error during parsing: Unknown directive 'erors'" in logs
    assert "nodelocaldns" in cluster.node("node-1").run("ip -br link").stdout
    assert owned(cluster, "raw") == []
    assert servers(cluster.lookup("default/a", "web"))[0].startswith("kube-system/coredns-")  # type: ignore[union-attr]


def test_it_cannot_start_before_the_service_that_it_forwards_to_is_there(cluster: Cluster) -> None:
    cluster.kubectl("delete service kube-dns-upstream -n kube-system")
    cluster.kubectl("rollout restart daemonset node-local-dns -n kube-system")
    cluster.advance(2)
    logs = cluster.kubectl("logs -n kube-system -l k8s-app=node-local-dns")
    assert 'plugin/forward: not an IP address or file: "<nil>"' in logs


def test_a_manifest_with_its_variables_still_in_it_ends_with_a_bad_flag() -> None:
    cluster = Cluster(nodes=1, dns=True)
    cluster.apply(manifests.addon("node-local-dns"))
    logs = cluster.kubectl("logs -n kube-system -l k8s-app=node-local-dns")
    assert 'Error parsing flags - invalid localip specified - "__PILLAR__LOCAL__DNS__", Exiting' in logs


def test_applying_the_edited_manifest_later_is_as_good_as_asking_for_it_at_the_start(start: Cluster) -> None:
    cluster = cluster_with(True)
    cluster.apply(manifests.node_local_dns(KUBE_DNS))
    assert owned(cluster, "raw") == owned(start, "raw")
    assert servers(cluster.lookup("default/a", "web"))[0].startswith("kube-system/node-local-dns-")  # type: ignore[union-attr]


def test_stub_domains_and_upstream_servers_of_kube_dns_are_taken_over(cluster: Cluster) -> None:
    data = {"upstreamNameservers": '["203.0.113.99"]', "stubDomains": '{"corp.test": ["192.0.2.1"]}'}
    metadata = {"name": "kube-dns", "namespace": "kube-system"}
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    assert {server for server, _ in beyond(cluster.lookup("default/a", "git.corp.test."))} == {"192.0.2.1"}
    assert {server for server, _ in beyond(cluster.lookup("default/a", "example.com."))} == {"203.0.113.99"}


def test_a_policy_that_allows_questions_to_corednss_pods_forbids_them_to_the_cache() -> None:
    cluster = cluster_with("node-local-dns", network="calico")
    to = [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}]
    spec = {"podSelector": {"matchLabels": {"run": "a"}}, "policyTypes": ["Egress"], "egress": [{"to": to}]}
    kind = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "dns"}}
    cluster.apply({**kind, "spec": spec})
    cluster.advance(5)
    found = cluster.lookup("default/a", "web")
    assert found.error == "Temporary failure in name resolution"
    assert '{"ipBlock": {"cidr": "10.96.0.10/32"}}' in found.explain()
    spec["egress"] = [{"to": [*to, {"ipBlock": {"cidr": "10.96.0.10/32"}}]}]
    cluster.apply({**kind, "spec": spec})
    cluster.advance(5)
    assert cluster.lookup("default/a", "web").addresses == ("10.96.0.77",)


def test_in_a_dual_stack_cluster_the_cache_has_the_addresses_of_ipv4() -> None:
    cluster = cluster_with(
        "node-local-dns",
        node_cidr="192.168.64.0/24,fd00:64::/64",
        pod_cidr="10.244.0.0/16,fd00:10:244::/56",
        service_cidr="10.96.0.0/12,fd00:10:96::/112",
    )
    found = cluster.lookup("default/a", "web")
    assert (found.addresses, servers(found)[0]) == (("10.96.0.77",), f"kube-system/{cache_on(cluster)}")


def test_a_saved_cluster_is_the_same_with_its_caches(cluster: Cluster, tmp_path: Path) -> None:
    cluster.pod("a").run("nslookup web")
    cluster.save(tmp_path / "saved")
    loaded = Cluster.load(tmp_path / "saved")
    assert loaded.lookup("default/a", "web").explain() == cluster.lookup("default/a", "web").explain()
    loaded.undo()
    assert len(beyond(loaded.lookup("default/a", "web"))) == 2


def test_under_another_wiring_that_knows_no_cache_coredns_answers_alone(cluster: Cluster) -> None:
    compared = str(cluster.compare(["bridge", "cilium"], "default/a", "default/web"))
    assert "cilium: CoreDNS alone, without the cache on each node" in compared
