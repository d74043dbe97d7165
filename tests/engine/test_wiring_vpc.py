"""``network="vpc"``: what a person finds on such a node, line by line, and what happens when addresses run out."""

from __future__ import annotations

from typing import Any

import pytest

from k8slearn import Cluster
from k8slearn.cni import ec2
from k8slearn.errors import Refused

from .given import events, pod


def grown(nodes: int = 2, each: int = 1) -> Cluster:
    """Pods a1, a2, ... on node-1, b1, ... on node-2."""
    cluster = Cluster(nodes=nodes, network="vpc")
    for number in range(nodes):
        for n in range(each):
            cluster.apply(pod(f"{'abc'[number]}{n + 1}", f"node-{number + 1}"))
    return cluster


def lines(cluster: Cluster, node: str, command: str) -> list[str]:
    result = cluster.node(node).run(command)
    assert result.exit_code == 0, result.stderr
    return [" ".join(line.split()) for line in result.stdout.splitlines()]


def address(cluster: Cluster, name: str) -> str:
    return str(cluster.get("pod", name)["status"]["podIP"])


def device(cluster: Cluster, name: str) -> int:
    """The number of the ENI that has the pod's address."""
    rows = cluster.world.table(ec2.CLOUD, "eni").values()
    return next(int(eni.device) for eni in rows if address(cluster, name) in eni.secondaries)


def test_a_vpc_pods_page() -> None:
    cluster = grown()
    inside = cluster.pod("a1", "default")
    assert f"inet {address(cluster, 'a1')}/32 scope global eth0" in inside.run("ip addr show eth0").stdout
    assert address(cluster, "a1").startswith("192.168.64."), "an address of the nodes' own network"
    assert inside.run("ip route").stdout.splitlines() == [
        "default via 169.254.1.1 dev eth0 ",
        "169.254.1.1 dev eth0 scope link ",
    ]
    (route,) = [line for line in lines(cluster, "node-1", "ip route") if line.startswith(address(cluster, "a1"))]
    host = route.split()[2]
    assert host.startswith("eni")
    mac = cluster.world.get(("node:node-1", "link", host)).mac
    neighbour = inside.run("ip neigh").stdout.strip()
    assert neighbour == f"169.254.1.1 dev eth0 lladdr {mac} PERMANENT"


def test_a_vpc_nodes_rules_and_routes() -> None:
    cluster = grown(each=7)
    on = {n: [f"a{i}" for i in range(1, 8) if device(cluster, f"a{i}") == n] for n in (0, 1)}
    assert [len(on[0]), len(on[1])] == [5, 2], "the first ENI has five addresses for pods"
    (second,) = [eni for eni in ec2.enis(cluster.world, "node:node-1") if eni.device == 1]
    wanted = ["0: from all lookup local"]
    wanted += [f"512: from all to {address(cluster, name)} lookup main" for name in (*on[0], *on[1])]
    wanted += ["1024: from all fwmark 0x80/0x80 lookup main"]
    wanted += [f"1536: from {address(cluster, name)} lookup 2" for name in on[1]]
    wanted += [
        f"32765: from {second.primary} lookup 2",
        "32766: from all lookup main",
        "32767: from all lookup default",
    ]
    assert [line for line in lines(cluster, "node-1", "ip rule") if "lookup 3" not in line] == wanted
    assert lines(cluster, "node-1", "ip route show table 2") == [
        "default via 192.168.64.1 dev eth1",
        "192.168.64.1 dev eth1 scope link",
    ]
    main = lines(cluster, "node-1", "ip route")
    assert "192.168.64.0/24 dev eth0 proto kernel scope link src 192.168.64.11" in main
    assert not [line for line in main if "dev eth1" in line], "its subnet route is taken away"
    assert lines(cluster, "node-1", "sysctl -n net.ipv4.conf.eth0.rp_filter") == ["2"]


def test_a_vpc_nodes_iptables() -> None:
    cluster = grown(1)
    saved = lines(cluster, "node-1", "iptables-save")
    assert [line for line in saved if "AWS" in line and line.startswith("-A")] == [
        '-A PREROUTING -i eth0 -m comment --comment "AWS, primary ENI" -m addrtype --dst-type LOCAL --limit-iface-in '
        "-j CONNMARK --set-xmark 0x80/0x80",
        '-A PREROUTING -i eni+ -m comment --comment "AWS, primary ENI" -j CONNMARK --restore-mark '
        "--nfmask 0x80 --ctmask 0x80",
        '-A PREROUTING -i vlan+ -m comment --comment "AWS, primary ENI" -j CONNMARK --restore-mark '
        "--nfmask 0x80 --ctmask 0x80",
        '-A PREROUTING -i eni+ -m comment --comment "AWS, outbound connections" -j AWS-CONNMARK-CHAIN-0',
        '-A PREROUTING -m comment --comment "AWS, CONNMARK" -j CONNMARK --restore-mark --nfmask 0x80 --ctmask 0x80',
        '-A POSTROUTING -m comment --comment "AWS SNAT CHAIN" -j AWS-SNAT-CHAIN-0',
        '-A AWS-CONNMARK-CHAIN-0 -d 192.168.64.0/24 -m comment --comment "AWS CONNMARK CHAIN" -j RETURN',
        '-A AWS-CONNMARK-CHAIN-0 -m comment --comment "AWS, CONNMARK" -j CONNMARK --set-xmark 0x80/0x80',
        '-A AWS-SNAT-CHAIN-0 -d 192.168.64.0/24 -m comment --comment "AWS SNAT CHAIN" -j RETURN',
        '-A AWS-SNAT-CHAIN-0 ! -o vlan+ -m comment --comment "AWS, SNAT" -m addrtype ! --dst-type LOCAL '
        "-j SNAT --to-source 192.168.64.11 --random-fully",
    ]


def test_a_vpc_nodes_configuration() -> None:
    cluster = grown(1)
    assert cluster.node("node-1").run("ls /etc/cni/net.d").stdout == "10-aws.conflist\n"
    assert set(cluster.node("node-1").run("ls /opt/cni/bin").stdout.split()) >= {"aws-cni"}
    assert '"type": "aws-cni"' in cluster.node("node-1").run("cat /etc/cni/net.d/10-aws.conflist").stdout
    node = cluster.get("node", "node-1")
    assert node["status"]["capacity"]["pods"] == "17"
    assert "podCIDR" not in node["spec"]


def test_the_laws_hold_on_every_eni() -> None:
    cluster = grown(each=6)
    assert {device(cluster, f"a{n}") for n in range(1, 7)} == {0, 1}
    assert [(law.name, law.holds) for law in cluster.laws()] == [
        ("pod-to-pod", True), ("agent-to-pod", True), ("no-nat", True),
    ]  # fmt: skip
    names = [f"default/{letter}{n}" for letter in "ab" for n in (1, 6)]
    matrix = cluster.reachability()
    assert all(matrix.allowed(one, other) for one in names for other in names)


@pytest.mark.parametrize("name", ["a1", "a6"])
def test_the_world_outside_sees_the_nodes_address_and_the_vpc_the_pods(name: str) -> None:
    cluster = grown(each=6)
    assert cluster.trace(f"default/{name}", "outside").source_seen == "192.168.64.11"
    assert cluster.trace(f"default/{name}", "outside:192.168.64.30").source_seen == address(cluster, name)
    assert cluster.trace("outside:192.168.64.30", f"default/{name}").outcome == "connected"
    assert cluster.trace("outside", f"default/{name}").source_seen == "203.0.113.7"


def test_a_nodeports_answer_leaves_by_the_eni_that_the_question_came_in_on() -> None:
    cluster = grown(1, each=6)
    spec = {"type": "NodePort", "externalTrafficPolicy": "Local", "ports": [{"port": 80, "nodePort": 30080}]}
    metadata: dict[str, Any] = {"name": "web"}
    cluster.apply(
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {**spec, "selector": {"x": "y"}}}
    )
    cluster.kubectl("label pod a6 x=y")
    trace = cluster.trace("outside", "192.168.64.11", port=30080)
    assert (trace.outcome, trace.answered_by, trace.source_seen) == ("connected", "default/a6", "203.0.113.7")


def test_a_service_shows_the_pods_own_address() -> None:
    cluster = Cluster(nodes=2, network="vpc")
    cluster.apply(pod("a", "node-1"))
    cluster.apply(pod("b", "node-2", labels="{app: b}"))
    metadata = {"name": "b"}
    spec = {"selector": {"app": "b"}, "ports": [{"port": 80}]}
    cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
    assert cluster.trace("default/a", "svc:default/b").source_seen == address(cluster, "a")


def test_when_a_nodes_addresses_are_used_up_a_pod_is_told_so() -> None:
    cluster = Cluster(nodes=1, network="vpc")
    for number in range(16):
        cluster.apply(pod(f"p{number}", "node-1"))
    given = [p["status"].get("podIP") for p in cluster.get("pods") if p["status"]["phase"] == "Running"]
    assert len(given) == len(set(given)) == 15, "three ENIs with five addresses each"
    assert "add cmd: failed to assign an IP address to container" in events(cluster, "FailedCreatePodSandBox")[0]
    cluster.delete("pod", "p3")
    cluster.advance(60)
    assert cluster.get("pod", "p15")["status"]["phase"] == "Running", "after thirty seconds' rest an address is free"


def test_without_ipamd_running_pods_go_on_and_new_ones_wait() -> None:
    cluster = grown()
    cluster.delete("daemonset", "aws-node", namespace="kube-system")
    cluster.advance(60)
    assert cluster.trace("default/a1", "default/b1").outcome == "connected"
    cluster.apply(pod("late", "node-1"))
    assert cluster.get("pod", "late")["status"]["phase"] == "Pending"
    assert "Error received from AddNetwork gRPC call" in events(cluster, "FailedCreatePodSandBox")[0]


def test_addresses_are_kept_warm() -> None:
    cluster = Cluster(nodes=1, network="vpc")
    assert [len(eni.secondaries) for eni in ec2.enis(cluster.world, "node:node-1")] == [5]
    cluster.apply(pod("a", "node-1"))
    assert [len(eni.secondaries) for eni in ec2.enis(cluster.world, "node:node-1")] == [5, 5]


def test_a_warm_target_of_single_addresses_is_acted_upon() -> None:
    from k8slearn import manifests

    text = manifests.text("vpc").replace('{name: WARM_ENI_TARGET, value: "1"}', '{name: WARM_IP_TARGET, value: "2"}')
    vpc = Cluster(nodes=1, network="vpc")
    vpc.delete("daemonset", "aws-node", namespace="kube-system")
    vpc.advance(60)
    vpc.apply(text)
    before = sum(len(eni.secondaries) for eni in ec2.enis(vpc.world, "node:node-1"))
    vpc.apply([pod_of(f"p{n}") for n in range(4)])
    after = sum(len(eni.secondaries) for eni in ec2.enis(vpc.world, "node:node-1"))
    assert (before, after) == (5, 6), "four pods and two addresses more"


def pod_of(name: str) -> dict[str, Any]:
    spec = {"nodeName": "node-1", "containers": [{"name": "c", "image": "nginx"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def test_outside_a_vpc_the_agent_says_what_is_missing() -> None:
    from k8slearn import manifests

    cluster = Cluster(nodes=1, network=None)
    cluster.apply(manifests.text("vpc"))
    cluster.advance(30)
    assert 'Cluster(network="vpc")' in events(cluster, "NoVpc")[0]


def test_an_address_may_be_asked_for() -> None:
    cluster = Cluster(nodes=1, network="vpc")
    obj = pod_of("a")
    obj["metadata"]["annotations"] = {"k8slearn.io/pod-ips": '["192.168.64.99"]'}
    cluster.apply(obj)
    assert address(cluster, "a") == "192.168.64.99"
    assert cluster.trace("node:node-1", "default/a").outcome == "connected"
    with pytest.raises(Refused, match="is the address of an interface of node-1"):
        cluster.outside("192.168.64.99").run("true")


def test_a_vpc_of_several_subnets_gives_each_node_addresses_of_its_own() -> None:
    subnets = {
        "a": {"cidr": "192.168.64.0/25", "nodes": ["node-1"]},
        "b": {"cidr": "192.168.64.128/25", "nodes": ["node-2"]},
    }
    cluster = Cluster(nodes=2, network="vpc", topology={"subnets": subnets})
    for name, node in (("a", "node-1"), ("b", "node-2")):
        cluster.apply(pod(name, node))
    assert [int(address(cluster, name).rpartition(".")[2]) >= 128 for name in "ab"] == [False, True]
    assert all(law.holds for law in cluster.laws())
    assert (
        cluster.trace("default/a", "outside").source_seen
        == cluster.get("node", "node-1")["status"]["addresses"][0]["address"]
    )


def test_a_node_that_was_booted_again_has_its_enis_and_pods_on_each() -> None:
    cluster = grown(each=7)
    assert cluster.node("node-2").run("reboot").exit_code == 0
    cluster.advance(300)
    assert {device(cluster, f"b{n}") for n in range(1, 8)} == {0, 1}
    assert all(law.holds for law in cluster.laws())
    assert "default via 192.168.64.1 dev eth1" in lines(cluster, "node-2", "ip route show table 2")
