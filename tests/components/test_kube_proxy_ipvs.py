"""kube-proxy's ipvs mode, a sketch after upstream's source: what it writes, and how packets meet it.

No kernel here has IPVS, so nothing in this file was held against a real one; what upstream's kube-proxy is to write is
read in pkg/proxy/ipvs/proxier.go, and the form of ``ipvsadm``'s lines in its binary (1.31).
"""

from __future__ import annotations

from fractions import Fraction

import pytest

from k8slearn import Cluster
from k8slearn.errors import Refused

from .test_kube_proxy_modes import KINDS, MAP, PODS, SERVICE, said, switch

MORE = PODS.split("---")[1].replace("name: web,", "name: web-{n},").replace("node-2", "{node}")


@pytest.fixture
def cluster() -> Cluster:
    cluster = Cluster(nodes=2, proxy="ipvs")
    cluster.apply(PODS + SERVICE + KINDS["NodePort"])
    return cluster


def test_every_address_of_a_service_is_one_of_the_nodes_own(cluster: Cluster) -> None:
    shown = said(cluster, "ip addr show kube-ipvs0")
    assert "kube-ipvs0: <BROADCAST,NOARP> mtu 1500 qdisc noop state DOWN" in shown
    assert "inet 10.96.0.50/32 scope global kube-ipvs0" in shown
    trace = cluster.trace("default/client", "10.96.0.50")
    assert any("local 10.96.0.50 dev kube-ipvs0" in str(step.because) for step in trace.steps)


def test_ipvsadm_lists_virtual_servers_with_their_real_ones(cluster: Cluster) -> None:
    cluster.send("default/client", "10.96.0.50")
    lines = said(cluster, "ipvsadm -Ln").splitlines()
    assert lines[1:3] == [
        "Prot LocalAddress:Port Scheduler Flags",
        "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn",
    ]
    at = lines.index("TCP  10.96.0.50:80 rr")
    assert lines[at + 1].split() == ["->", "10.244.1.2:80", "Masq", "1", "0", "1"]
    assert "TCP  192.168.64.11:30080 rr" in lines


def test_the_number_of_rules_does_not_grow_with_the_services(cluster: Cluster) -> None:
    before = said(cluster, "iptables-save")
    for n in range(20):
        cluster.apply(SERVICE.replace("name: web", f"name: web-{n}") + KINDS["ClusterIP"].replace(".50", f".{100 + n}"))
    assert said(cluster, "iptables-save") == before
    assert said(cluster, "ipset list KUBE-CLUSTER-IP").count("tcp:80") == 21


def test_the_step_that_chose_names_the_virtual_server_and_its_service(cluster: Cluster) -> None:
    trace = cluster.trace("default/client", "svc:default/web")
    step = next(step for step in trace.steps if step.says.startswith("ipvs rr"))
    assert step.because is not None
    assert (step.hook, step.where) == ("INPUT", "node:node-1")
    cause = trace.faces.cause(step.because.key, step.because.position)
    assert (cause.author, cause.cause) == ("kube-proxy", "Service default/web")
    back = [step for step in trace.steps if step.says == "source 10.244.1.2:80 becomes 10.96.0.50:80"]
    assert {step.hook for step in back} == {"FORWARD"}, "its answers are rewritten behind the filter of FORWARD"


def test_what_ipvs_sends_on_meets_the_chains_input_and_output_and_not_forward(cluster: Cluster) -> None:
    node = cluster.node("node-1")
    node.run("iptables -P FORWARD DROP")
    node.run("iptables -I FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
    assert cluster.trace("default/client", "svc:default/web").outcome == "connected"
    node.run("iptables -I INPUT -d 10.96.0.50 -j DROP")
    assert cluster.trace("default/client", "svc:default/web").outcome == "timeout"


def test_each_of_three_real_servers_is_as_likely_and_a_persistent_client_stays(cluster: Cluster) -> None:
    for n, node in enumerate(("node-1", "node-2")):
        cluster.apply(MORE.replace("{n}", str(n)).replace("{node}", node))
    fates = cluster.trace("default/client", "svc:default/web").fates()
    assert [fate.probability for fate in fates] == [Fraction(1, 3)] * 3
    cluster.apply(SERVICE + KINDS["sticky"])
    assert "10.96.0.50:80 rr persistent 10800" in said(cluster, "ipvsadm -Ln")
    first = cluster.send("default/client", "svc:default/web").answered_by
    assert [fate.answered_by for fate in cluster.trace("default/client", "svc:default/web").fates()] == [first]
    cluster.advance(10801)
    assert len(cluster.trace("default/client", "svc:default/web").fates()) == 3


def test_what_else_is_asked_of_a_services_address_is_refused_by_one_rule(cluster: Cluster) -> None:
    trace = cluster.trace("default/client", "10.96.0.50", 81)
    assert trace.outcome == "refused"
    assert "KUBE-IPVS-FILTER" in trace.explain()


def test_a_service_that_is_deleted_takes_its_address_and_servers_with_it(cluster: Cluster) -> None:
    cluster.delete("service", "web")
    everything = [said(cluster, command) for command in ("ip addr", "ipvsadm -Ln", "ipset save")]
    assert not any("10.96.0.50" in text or "30080" in text for text in everything)


def test_nftables_mode_cleans_up_after_ipvs_and_iptables_mode_does_not(cluster: Cluster) -> None:
    switch(cluster, "iptables")
    assert "kube-ipvs0" in said(cluster, "ip link"), "server_linux.go: platformCleanup"
    switch(cluster, "nftables")
    assert "kube-ipvs0" not in said(cluster, "ip link")
    assert "KUBE-" not in said(cluster, "ipset save")
    assert "KUBE-IPVS" not in said(cluster, "iptables-save")
    assert "10.96.0.50" in said(cluster, MAP)


def test_a_person_can_make_virtual_servers_too() -> None:
    cluster = Cluster(nodes=2, proxy="none")
    cluster.apply(PODS)
    node = cluster.node("node-1")
    for command in (
        "ip link add d0 type dummy",
        "ip addr add 10.9.9.9/32 dev d0",
        "ipvsadm -A -t 10.9.9.9:80 -s rr",
        "ipvsadm -a -t 10.9.9.9:80 -r 10.244.1.2:80 -m",
    ):
        assert node.run(command).exit_code == 0
    assert cluster.trace("default/client", "10.9.9.9").answered_by == "default/web"
    assert node.run("ipvsadm -A -t 10.9.9.9:80").stderr == "Service already exists\n"
    assert node.run("ipvsadm -d -t 10.9.9.9:80 -r 10.1.1.1:80").stderr == "No such destination\n"
    assert node.run("ipvsadm -A -t 10.9.9.9:81 -s wlc").stderr == "scheduler wlc: only rr is modelled here\n"
    node.run("ipvsadm -d -t 10.9.9.9:80 -r 10.244.1.2:80")
    assert cluster.trace("default/client", "10.9.9.9").outcome == "refused"
    node.run("ipvsadm -C")
    assert "10.9.9.9" not in node.run("ipvsadm -L -n").stdout


def test_a_mode_that_a_version_did_not_have_is_refused() -> None:
    with pytest.raises(Refused, match=r"1\.29"):
        Cluster(nodes=1, proxy="nftables", kubernetes="1.28")
    with pytest.raises(Refused, match="userspace"):
        Cluster(nodes=1, proxy="userspace")
