"""``network="calico"``: what a person finds on such a node, line by line, and what becomes of it when parts fail."""

from __future__ import annotations

from typing import Any

import pytest

from k8slearn import Cluster
from k8slearn.cni import blocks

from .given import events, pod


def grown(nodes: int = 2) -> Cluster:
    cluster = Cluster(nodes=nodes, network="calico")
    for number in range(1, nodes + 1):
        cluster.apply(pod("abcdef"[number - 1], f"node-{number}"))
    return cluster


def lines(cluster: Cluster, node: str, command: str) -> list[str]:
    result = cluster.node(node).run(command)
    assert result.exit_code == 0, result.stderr
    return [line.strip() for line in result.stdout.splitlines()]


def block(cluster: Cluster, node: str) -> str:
    (found,) = blocks.affine(cluster.world, node)
    return found


def address(cluster: Cluster, name: str) -> str:
    return str(cluster.get("pod", name)["status"]["podIP"])


def host_end(cluster: Cluster, name: str, node: str) -> str:
    (route,) = [line for line in lines(cluster, node, "ip route") if line.startswith(address(cluster, name) + " ")]
    return route.split()[2]


def set_mode(cluster: Cluster, mode: str) -> None:
    pool: dict[str, Any] = cluster.get("ippools", namespace=None)[0]
    cluster.apply({**pool, "spec": {**pool["spec"], "ipipMode": mode}})


def annotated(name: str, node: str, key: str, asked: str) -> dict[str, Any]:
    spec = {"nodeName": node, "containers": [{"name": "c", "image": "nginx"}]}
    metadata = {"name": name, "annotations": {key: f'["{asked}"]'}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def test_a_calico_pods_page() -> None:
    cluster = grown()
    inside = cluster.pod("a", "default").run("ip addr show eth0").stdout
    assert f"inet {address(cluster, 'a')}/32 scope global eth0" in inside
    assert "mtu 1480" in inside, "1500 less the header of IP-in-IP"
    assert cluster.pod("a", "default").run("ip route").stdout.splitlines() == [
        "default via 169.254.1.1 dev eth0 ",
        "169.254.1.1 dev eth0 scope link ",
    ]
    cluster.send("default/a", "default/b")
    neighbours = cluster.pod("a", "default").run("ip neigh").stdout
    assert "169.254.1.1 dev eth0 lladdr ee:ee:ee:ee:ee:ee" in neighbours, "proxy ARP: nobody has 169.254.1.1"


def test_a_calico_nodes_routes() -> None:
    cluster = grown()
    host = host_end(cluster, "a", "node-1")
    assert set(lines(cluster, "node-1", "ip route")) == {
        "default via 192.168.64.1 dev eth0 proto static",
        "192.168.64.0/24 dev eth0 proto kernel scope link src 192.168.64.11",
        f"{address(cluster, 'a')} dev {host} scope link",
        f"blackhole {block(cluster, 'node-1')} proto bird",
        f"{block(cluster, 'node-2')} via 192.168.64.12 dev tunl0 proto bird onlink",
    }


def test_a_calico_nodes_links() -> None:
    cluster = grown()
    host = host_end(cluster, "a", "node-1")
    assert host.startswith("cali")
    assert len(host) == 15
    shown = cluster.node("node-1").run(f"ip link show {host}").stdout
    assert "link/ether ee:ee:ee:ee:ee:ee" in shown
    assert "master" not in shown
    assert "inet" not in cluster.node("node-1").run(f"ip addr show {host}").stdout
    tunnel = cluster.node("node-1").run("ip addr show tunl0").stdout
    first = block(cluster, "node-1").partition("/")[0]
    assert f"inet {first}/32 scope global tunl0" in tunnel
    assert "mtu 1480" in tunnel
    names = ("proxy_arp", "route_localnet", "forwarding")
    values = [lines(cluster, "node-1", f"sysctl -n net.ipv4.conf.{host}.{name}") for name in names]
    assert values == [["1"], ["1"], ["1"]]


def test_a_calico_nodes_configuration() -> None:
    cluster = grown(1)
    assert cluster.node("node-1").run("ls /etc/cni/net.d").stdout == "10-calico.conflist\n"
    assert set(cluster.node("node-1").run("ls /opt/cni/bin").stdout.split()) >= {"calico", "calico-ipam"}
    text = cluster.node("node-1").run("cat /etc/cni/net.d/10-calico.conflist").stdout
    assert '"nodename": "node-1"' in text
    assert cluster.node("node-1").run("cat /var/lib/calico/nodename").stdout == "node-1"
    assert cluster.node("node-1").run("cat /var/lib/calico/mtu").stdout == "1480"


def test_felix_rules_carry_the_hashes_that_are_on_every_real_node() -> None:
    """The comments as they are in countless published captures of ``iptables-save`` on Calico nodes."""
    cluster = grown(1)
    saved = lines(cluster, "node-1", "iptables-save -t nat")
    wanted = [
        '-A PREROUTING -m comment --comment "cali:6gwbT8clXdHdC1b1" -j cali-PREROUTING',
        '-A OUTPUT -m comment --comment "cali:tVnHkvAo15HuiPy0" -j cali-OUTPUT',
        '-A POSTROUTING -m comment --comment "cali:0i8pjzKKPyA34aQD" -j cali-POSTROUTING',
        '-A cali-OUTPUT -m comment --comment "cali:GBTAv2p5CwevEyJm" -j cali-fip-dnat',
        '-A cali-POSTROUTING -m comment --comment "cali:Z-c7XtVd2Bq7s_hA" -j cali-fip-snat',
        '-A cali-POSTROUTING -m comment --comment "cali:nYKhEzDlr11Jccal" -j cali-nat-outgoing',
        '-A cali-POSTROUTING -o tunl0 -m comment --comment "cali:SXWvdsbh4Mw7wOln" -m addrtype ! --src-type LOCAL '
        "--limit-iface-out -m addrtype --src-type LOCAL -j MASQUERADE --random-fully",
        '-A cali-PREROUTING -m comment --comment "cali:r6XmIziWUJsdOK6Z" -j cali-fip-dnat',
        '-A cali-nat-outgoing -m comment --comment "cali:flqWnvo8yq4ULQLa" -m set --match-set cali40masq-ipam-pools '
        "src -m set ! --match-set cali40all-ipam-pools dst -j MASQUERADE --random-fully",
    ]
    assert [line for line in saved if "cali" in line and line.startswith("-A")] == wanted
    assert saved.index(wanted[0]) < next(
        n for n, line in enumerate(saved) if "-A PREROUTING" in line and "KUBE" in line
    )


@pytest.mark.parametrize("mode", ["Always", "CrossSubnet", "Never"])
def test_the_laws_hold_in_every_mode(mode: str) -> None:
    cluster = grown(3)
    set_mode(cluster, mode)
    assert [(law.name, law.holds) for law in cluster.laws()] == [
        ("pod-to-pod", True), ("agent-to-pod", True), ("no-nat", True),
    ]  # fmt: skip
    trace = cluster.trace("default/a", "default/c")
    assert trace.source_seen == address(cluster, "a")
    wrapped = any(step.what == "encapsulate" for step in trace.steps)
    assert wrapped is (mode == "Always")
    assert cluster.trace("default/a", "outside").source_seen == "192.168.64.11"


def test_without_the_tunnel_the_route_names_the_node_itself() -> None:
    cluster = grown()
    set_mode(cluster, "CrossSubnet")
    wanted = f"{block(cluster, 'node-2')} via 192.168.64.12 dev eth0 proto bird"
    assert wanted in lines(cluster, "node-1", "ip route")


def test_every_pod_reaches_every_pod() -> None:
    cluster = grown(3)
    matrix = cluster.reachability()
    names = [f"default/{name}" for name in "abc"]
    assert all(matrix.allowed(one, other) for one in names for other in names)


def test_before_the_agent_a_node_has_no_network_and_pods_wait() -> None:
    cluster = Cluster(nodes=1, network=None)
    cluster.apply(pod("a", "node-1"))
    assert cluster.get("pod", "a")["status"]["phase"] == "Pending"
    from k8slearn import manifests

    cluster.apply(manifests.text("calico"))
    cluster.advance(60)
    assert cluster.get("pod", "a")["status"]["phase"] == "Running"
    condition = {c["type"]: c for c in cluster.get("node", "node-1")["status"]["conditions"]}["NetworkUnavailable"]
    assert (condition["status"], condition["reason"]) == ("False", "CalicoIsUp")


def test_when_the_agents_go_the_routes_stay_and_nothing_new_is_scheduled() -> None:
    cluster = grown()
    cluster.delete("daemonset", "calico-node", namespace="kube-system")
    cluster.advance(600)
    assert cluster.trace("default/a", "default/b").outcome == "connected"
    taints = [taint["key"] for taint in cluster.get("node", "node-1")["spec"].get("taints", ())]
    assert "node.kubernetes.io/network-unavailable" in taints
    cluster.apply(pod("late"))
    assert cluster.get("pod", "late")["status"]["phase"] == "Pending"


def test_a_pod_gets_the_address_that_its_annotation_asks_for() -> None:
    cluster = Cluster(nodes=2, network="calico")
    cluster.apply(annotated("a", "node-1", "cni.projectcalico.org/ipAddrs", "10.244.1.10"))
    cluster.apply(annotated("b", "node-2", "k8slearn.io/pod-ips", "10.244.1.11"))
    assert (address(cluster, "a"), address(cluster, "b")) == ("10.244.1.10", "10.244.1.11")
    assert cluster.trace("default/a", "default/b").outcome == "connected", "a borrowed address has a route of its own"
    assert "10.244.1.11 via 192.168.64.12 dev tunl0 proto bird onlink" in lines(cluster, "node-1", "ip route")


def test_a_route_that_somebody_deletes_comes_back_at_birds_next_scan() -> None:
    cluster = grown()
    cluster.node("node-1").run(f"ip route del {block(cluster, 'node-2')}")
    assert cluster.trace("default/a", "default/b").outcome != "connected"
    cluster.advance(2)
    assert cluster.trace("default/a", "default/b").outcome == "connected"


def test_a_session_that_is_cut_off_is_believed_in_for_240_seconds() -> None:
    cluster = grown()
    for node in ("node-1", "node-2"):
        cluster.node(node).run("iptables -I INPUT -p tcp --dport 179 -j DROP")
    cluster.advance(200)
    assert cluster.trace("default/a", "default/b").outcome == "connected"
    cluster.advance(60)
    assert cluster.trace("default/a", "default/b").outcome != "connected"
    assert block(cluster, "node-2") not in " ".join(lines(cluster, "node-1", "ip route"))
    for node in ("node-1", "node-2"):
        cluster.node(node).run("iptables -D INPUT -p tcp --dport 179 -j DROP")
    assert cluster.trace("default/a", "default/b").outcome == "connected"


def test_a_pod_without_a_pool_is_told_by_an_event() -> None:
    cluster = Cluster(nodes=1, network="calico", pod_cidr="10.244.0.0/24")
    pool = cluster.get("ippools", namespace=None)[0]
    cluster.apply({**pool, "spec": {**pool["spec"], "disabled": True}})
    cluster.apply(pod("a", "node-1"))
    (said,) = events(cluster, "FailedCreatePodSandBox")
    assert "no configured Calico pools for node node-1" in said


def test_calico_ignores_the_nodes_pod_cidr_and_claims_blocks() -> None:
    cluster = grown(3)
    assert cluster.kubectl("get ippools").split()[2] == "default-ipv4-ippool"
    claimed = [block(cluster, f"node-{n}") for n in (1, 2, 3)]
    assert len(set(claimed)) == 3
    assert all(cidr.endswith("/26") for cidr in claimed)
    owners = [b["spec"]["affinity"] for b in cluster.get("ipamblocks", namespace=None)]
    assert sorted(owners) == ["host:node-1", "host:node-2", "host:node-3"]


def test_calicoctl_shows_the_sessions_as_a_table() -> None:
    cluster = grown(3)
    shown = cluster.node("node-1").run("calicoctl node status").stdout
    assert (
        shown
        == """Calico process is running.

IPv4 BGP status
+---------------+-------------------+-------+----------+-------------+
| PEER ADDRESS  |     PEER TYPE     | STATE |  SINCE   |    INFO     |
+---------------+-------------------+-------+----------+-------------+
| 192.168.64.12 | node-to-node mesh | up    | 00:00:00 | Established |
| 192.168.64.13 | node-to-node mesh | up    | 00:00:00 | Established |
+---------------+-------------------+-------+----------+-------------+

IPv6 BGP status
No IPv6 peers found.

"""
    )
    assert "Mesh_192_168_64_12 BGP      master   up" in cluster.node("node-1").run("birdcl show protocols").stdout


def test_calicoctl_shows_pools_and_who_holds_an_address() -> None:
    cluster = grown(1)
    node = cluster.node("node-1")
    assert node.run("calicoctl get ippool -o wide").stdout.splitlines() == [
        "NAME                  CIDR            NAT    IPIPMODE   VXLANMODE   DISABLED   DISABLEBGPEXPORT   SELECTOR   ",
        "default-ipv4-ippool   10.244.0.0/16   true   Always     Never       false      false              all()      ",
        "",
    ]
    table = node.run("calicoctl ipam show --show-blocks").stdout
    assert "| IP Pool  | 10.244.0.0/16     |     65536 | 2 (0%)     | 65534 (100%) |" in table
    assert f"| Block    | {block(cluster, 'node-1'):<17} |        64 | 2 (3%)     | 62 (97%)     |" in table
    said = node.run(f"calicoctl ipam show --ip={address(cluster, 'a')}").stdout
    assert said.startswith(f"IP {address(cluster, 'a')} is in use\nHandle ID: k8s-pod-network.")
    assert "  pod: a\n" in said
    assert node.run("calicoctl ipam show --ip=10.244.9.9").stdout == "10.244.9.9 is not assigned\n"


SUBNETS = {
    "a": {"cidr": "192.168.64.0/25", "nodes": ["node-1", "node-3"]},
    "b": {"cidr": "192.168.64.128/25", "nodes": ["node-2"]},
}


@pytest.mark.parametrize("mode", ["Always", "CrossSubnet", "Never"])
def test_across_subnets_only_a_tunnel_gets_through_a_router_that_knows_no_pods(mode: str) -> None:
    cluster = Cluster(nodes=3, network="calico", topology={"subnets": SUBNETS})
    for name, node in (("a", "node-1"), ("b", "node-2"), ("c", "node-3")):
        cluster.apply(pod(name, node))
    set_mode(cluster, mode)
    near, far = cluster.trace("default/a", "default/c"), cluster.trace("default/a", "default/b")
    assert near.outcome == "connected"
    assert (far.outcome == "connected") is (mode != "Never")
    wrapped = [any(step.what == "encapsulate" for step in trace.steps) for trace in (near, far)]
    assert wrapped == {"Always": [True, True], "CrossSubnet": [False, True], "Never": [False, False]}[mode]


def test_a_changed_mtu_in_the_config_map_is_acted_upon() -> None:
    cluster = grown(1)
    config = cluster.get("configmap", "calico-config", namespace="kube-system")
    cluster.apply({**config, "data": {**config["data"], "veth_mtu": "1400"}}, namespace="kube-system")
    assert "mtu 1400" in cluster.node("node-1").run("ip link show tunl0").stdout
    cluster.apply(pod("later", "node-1"))
    assert "mtu 1400" in cluster.pod("later", "default").run("ip link show eth0").stdout


def test_a_node_that_was_booted_again_has_its_tunnel_and_routes() -> None:
    cluster = grown()
    assert cluster.node("node-2").run("reboot").exit_code == 0
    cluster.advance(300)
    assert all(law.holds for law in cluster.laws())
    assert f"blackhole {block(cluster, 'node-2')} proto bird" in lines(cluster, "node-2", "ip route")
    assert cluster.trace("default/a", "default/b").outcome == "connected"
