"""Names in a cluster: who answers, what a lookup costs, and what keeps an answer away."""

from __future__ import annotations

import pytest

from k8slearn import Cluster, manifests
from k8slearn.errors import Refused

OWN = "search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"
POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: only-web}
spec:
  podSelector: {matchLabels: {run: a}}
  policyTypes: [Egress]
  egress: [{to: [{podSelector: {matchLabels: {run: web}}}]}]
"""


def pod(name: str, **spec: object) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"run": name}},
        "spec": {"containers": [{"name": name, "image": "nginx"}], **spec},
    }


@pytest.fixture(scope="module")
def start() -> Cluster:
    cluster = Cluster(nodes=2, dns=True)
    cluster.apply([pod("a"), pod("web")])
    cluster.kubectl("expose pod web --port=80")
    return cluster


@pytest.fixture
def cluster(start: Cluster) -> Cluster:
    return start.at(start.journal.revision)


def test_a_service_is_reached_by_its_name(cluster: Cluster) -> None:
    trace = cluster.trace("default/a", "web")
    assert (trace.outcome, trace.answered_by) == ("connected", "default/web")
    assert trace.to_dict()["lookup"]["addresses"] == [cluster.get("services", "web")["spec"]["clusterIP"]]
    assert "kube-system/coredns-" in trace.explain()


def test_every_name_in_the_search_list_is_asked_for_both_families(cluster: Cluster) -> None:
    found = cluster.lookup("default/a", "www.example.com")
    assert [str(query) for query in found.queries][:2] == [
        "A? www.example.com.default.svc.cluster.local.",
        "AAAA? www.example.com.default.svc.cluster.local.",
    ]
    assert len(found) == 8
    assert found.addresses == ("203.0.113.80",)
    assert {query.rcode for query in found.queries} == {"NXDOMAIN", "NOERROR"}
    assert len(cluster.lookup("default/a", "www.example.com.")) == 2


def test_a_site_outside_is_reached_by_its_name(cluster: Cluster) -> None:
    assert cluster.send("default/a", "www.example.com").answered_by == "outside:203.0.113.80"


def test_a_name_that_nobody_has_is_unresolved(cluster: Cluster) -> None:
    trace = cluster.trace("default/a", "nope")
    assert trace.outcome == "unresolved"
    assert "no such name (NXDOMAIN)" in trace.explain()
    assert cluster.pod("a").run("curl -sS http://nope").stderr == "curl: (6) Could not resolve host: nope\n"


def test_programs_in_a_pod_resolve_names(cluster: Cluster) -> None:
    assert cluster.pod("a").run("curl -s http://web/hostname").stdout == "web"
    assert cluster.pod("a").run("cat /etc/resolv.conf").stdout == OWN


def test_without_servers_the_rule_that_refused_the_query_is_named(cluster: Cluster) -> None:
    cluster.kubectl("scale deployment coredns -n kube-system --replicas=0")
    trace = cluster.trace("default/a", "web")
    assert trace.outcome == "unresolved"
    assert "kube-system/kube-dns:dns has no endpoints" in trace.explain()


def test_a_policy_that_forgets_dns_breaks_names_and_not_addresses() -> None:
    cluster = Cluster(nodes=2, network="calico")
    cluster.apply(manifests.addon("coredns"))
    cluster.apply([pod("a"), pod("web")])
    cluster.kubectl("expose pod web --port=80")
    cluster.advance(10)
    assert cluster.trace("default/a", "web").outcome == "connected"
    cluster.apply(POLICY)
    trace = cluster.trace("default/a", "web")
    assert trace.outcome == "unresolved"
    assert "NetworkPolicy default/only-web" in trace.explain()
    assert cluster.trace("default/a", "svc:default/web").outcome == "connected"


def test_the_corefile_is_a_config_map_and_a_change_of_it_counts(cluster: Cluster) -> None:
    config = cluster.get("configmaps", "coredns", "kube-system")
    text = config["data"]["Corefile"]
    config["data"]["Corefile"] = text.replace(
        "    loop\n", "    hosts {\n        192.0.2.7 db.corp\n        fallthrough\n    }\n    loop\n"
    )
    cluster.apply(config)
    assert cluster.lookup("default/a", "db.corp").addresses == ("192.0.2.7",)
    config["data"]["Corefile"] = "nonsense"
    cluster.apply(config)
    assert cluster.lookup("default/a", "db.corp").addresses == ("192.0.2.7",)


def test_a_server_that_starts_with_a_wrong_corefile_ends(cluster: Cluster) -> None:
    config = cluster.get("configmaps", "coredns", "kube-system")
    config["data"]["Corefile"] = ".:53 {\n    unheard\n}\n"
    cluster.apply(config)
    cluster.kubectl("rollout restart deployment coredns -n kube-system")
    logs = cluster.kubectl("logs -n kube-system -l k8s-app=kube-dns")
    assert "Corefile:2 - Error during parsing: Unknown directive 'unheard'" in logs


def test_a_node_whose_name_server_is_itself_makes_coredns_see_a_loop(cluster: Cluster) -> None:
    for node in ("node-1", "node-2"):
        cluster.node(node).run("tee /etc/resolv.conf", stdin="nameserver 127.0.0.53\n")
    cluster.kubectl("rollout restart deployment coredns -n kube-system")
    assert "plugin/loop: Loop (127.0.0.53:53 -> :53) detected" in cluster.kubectl(
        "logs -n kube-system -l k8s-app=kube-dns"
    )


def test_a_stub_domain_is_asked_of_another_server(cluster: Cluster) -> None:
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "corp"},
            "data": {"Corefile": ".:53 {\n  hosts {\n    192.0.2.9 git.corp.test\n  }\n}\n"},
        }
    )
    spec = {
        "containers": [
            {
                "name": "dns",
                "image": "coredns/coredns:1.13.1",
                "args": ["-conf", "/c/Corefile"],
                "volumeMounts": [{"name": "c", "mountPath": "/c"}],
            }
        ],
        "volumes": [{"name": "c", "configMap": {"name": "corp"}}],
    }
    cluster.apply([pod("corp-dns", **spec)])
    address = cluster.get("pods", "corp-dns")["status"]["podIP"]
    config = cluster.get("configmaps", "coredns", "kube-system")
    config["data"]["Corefile"] += f"corp.test:53 {{\n    forward . {address}\n    reload\n}}\n"
    cluster.apply(config)
    found = cluster.lookup("default/a", "git.corp.test.")
    assert found.addresses == ("192.0.2.9",)
    assert f"itself asked {address}:53: it answered" in found.explain()


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"dnsPolicy": "Default"}, "nameserver 203.0.113.53\n"),
        ({"hostNetwork": True}, "nameserver 203.0.113.53\n"),
        (
            {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"},
            OWN,
        ),
        (
            {
                "dnsPolicy": "None",
                "dnsConfig": {
                    "nameservers": ["192.0.2.1"],
                    "searches": ["ns1.svc.cluster-domain.example", "my.dns.search.suffix"],
                    "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}],
                },
            },
            "search ns1.svc.cluster-domain.example my.dns.search.suffix\nnameserver 192.0.2.1\noptions ndots:2 edns0\n",
        ),
    ],
)
def test_resolv_conf_follows_the_policy(cluster: Cluster, spec: dict[str, object], text: str) -> None:
    cluster.apply([pod("c", **spec)])
    assert cluster.kubectl("exec c -- cat /etc/resolv.conf") == text


def test_too_many_search_domains_are_cut_and_said(cluster: Cluster) -> None:
    searches = [f"d{n}.test" for n in range(40)]
    cluster.apply([pod("c", dnsConfig={"searches": searches})])
    assert len(cluster.pod("c").run("cat /etc/resolv.conf").stdout.splitlines()[0].split()) == 33
    assert "DNSConfigForming" in cluster.kubectl("describe pod c")


def test_a_lookup_of_what_is_no_name_is_refused(cluster: Cluster) -> None:
    with pytest.raises(Refused, match="is no name"):
        cluster.lookup("default/a", "a..b")
    with pytest.raises(Refused, match="a record type is one of"):
        cluster.lookup("default/a", "web", "XYZ")


def test_asking_and_sending_look_names_up_alike(cluster: Cluster) -> None:
    asked, sent = cluster.trace("default/a", "web"), cluster.send("default/a", "web")
    assert [str(q) for q in asked.lookup.queries] == [str(q) for q in sent.lookup.queries]
    assert (asked.outcome, asked.answered_by) == (sent.outcome, sent.answered_by)


def test_applying_the_manifest_is_as_good_as_asking_for_it_at_the_start() -> None:
    cluster = Cluster(nodes=1)
    cluster.apply(manifests.addon("coredns"))
    assert cluster.lookup("node:node-1", "kubernetes.default.svc.cluster.local").error == "Name or service not known"
    cluster.apply([pod("a")])
    assert cluster.lookup("default/a", "kubernetes.default").addresses == ("10.96.0.1",)


def test_in_another_service_range_the_server_has_its_tenth_address() -> None:
    cluster = Cluster(nodes=1, service_cidr="172.20.0.0/16", dns=True)
    cluster.apply([pod("a")])
    assert "nameserver 172.20.0.10\n" in cluster.pod("a").run("cat /etc/resolv.conf").stdout
    assert cluster.lookup("default/a", "kubernetes.default").addresses == ("172.20.0.1",)


def test_in_a_dual_stack_cluster_both_families_resolve() -> None:
    cluster = Cluster(
        nodes=1,
        node_cidr="192.168.64.0/24,fd00:64::/64",
        pod_cidr="10.244.0.0/16,fd00:10:244::/56",
        service_cidr="10.96.0.0/12,fd00:10:96::/112",
        dns=True,
    )
    cluster.apply([pod("a"), pod("web")])
    spec = {"ipFamilyPolicy": "RequireDualStack", "selector": {"run": "web"}, "ports": [{"port": 80}]}
    cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec})
    found = cluster.lookup("default/a", "web")
    assert set(found.addresses) == set(cluster.get("services", "web")["spec"]["clusterIPs"])
    assert ":" in found.addresses[0]
    assert cluster.trace("default/a", "web").answered_by == "default/web"


def test_alpine_gives_up_where_glibc_goes_on(cluster: Cluster) -> None:
    cluster.apply([pod("small", containers=[{"name": "c", "image": "alpine:3.20", "command": ["sleep", "1d"]}])])
    names = {query.name for query in cluster.lookup("default/small", "a.b.c.d.e.f").queries}
    assert names == {"a.b.c.d.e.f."}
    assert len({query.name for query in cluster.lookup("default/a", "a.b.c.d.e.f").queries}) == 4


def test_a_long_answer_comes_over_tcp(cluster: Cluster) -> None:
    hosts = "\n".join(f"        192.0.2.{n} many.test" for n in range(1, 60))
    config = cluster.get("configmaps", "coredns", "kube-system")
    config["data"]["Corefile"] += f"many.test:53 {{\n    hosts {{\n{hosts}\n    }}\n}}\n"
    cluster.apply(config)
    found = cluster.lookup("default/a", "many.test.", "A")
    assert [query.protocol for query in found.queries] == ["UDP", "TCP"]
    assert len(found.addresses) == 59


def test_what_was_asked_outside_is_remembered_for_a_while(cluster: Cluster) -> None:
    def asked() -> int:
        trace = cluster.send("default/a", "www.example.com.")
        return sum(len(sent.attempt.asides) for sent in trace.lookup.queries)

    for _ in range(4):
        asked()
    assert asked() == 0
    cluster.advance(31)
    assert asked() > 0


def test_tcpdump_shows_the_queries(cluster: Cluster) -> None:
    lines = str(cluster.trace("default/a", "web").capture("default/a", "eth0"))
    assert "A? web.default.svc.cluster.local. (47)" in lines
    assert "*- 1/0/0 A " in lines


def test_what_would_mend_a_trace_by_name_is_found_too(cluster: Cluster) -> None:
    cluster.kubectl('patch service web -p \'{"spec": {"ports": [{"port": 80, "targetPort": 81}]}}\'')
    trace = cluster.trace("default/a", "web")
    assert trace.outcome == "refused"
    assert "targetPort" in trace.explain().rpartition("The smallest change")[2]


def test_a_request_finds_its_host_by_name(cluster: Cluster) -> None:
    assert cluster.request("default/a", "http://web/").answered_by == "default/web"
