"""Load balancers: one in the cluster that answers ARP, one outside of it, and what their health checks hear."""

from __future__ import annotations

from k8slearn import Cluster, manifests

URL = "https://raw.githubusercontent.com/metallb/metallb/v0.15.2/config/manifests/metallb-native.yaml"
POOL = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: first-pool, namespace: metallb-system}
spec: {addresses: [192.168.64.240-192.168.64.241]}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: example, namespace: metallb-system}
---
"""


def web(spec: str = "", name: str = "web") -> str:
    return f"""
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{type: LoadBalancer, selector: {{app: web}}, ports: [{{port: 80}}]{spec}}}
---
"""


def pod(name: str, node: str) -> str:
    container = "{name: c, image: nginx, ports: [{containerPort: 80}]}"
    head = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{app: web}}}}\n"
    return f"{head}spec: {{nodeName: {node}, containers: [{container}]}}\n---\n"


def metallb(*manifests: str, nodes: int = 3) -> Cluster:
    cluster = Cluster(nodes=nodes)
    cluster.kubectl(f"apply -f {URL}")
    for manifest in (POOL, *manifests):
        cluster.apply(manifest)
    return cluster


def external_ip(cluster: Cluster, name: str = "web") -> str:
    return str(cluster.kubectl(f"get service {name}").splitlines()[-1].split()[3])


def announcing(cluster: Cluster, address: str) -> list[str]:
    nodes = [f"node-{n}" for n in range(1, 4)]
    return [
        n for n in nodes if any(row.address == address for row in cluster.world.table(f"node:{n}", "arpd").values())
    ]


def test_without_a_load_balancer_a_service_waits_for_its_address() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(web() + pod("a", "node-2"))
    assert external_ip(cluster) == "<pending>"
    port = cluster.get("service", "web")["spec"]["ports"][0]["nodePort"]
    assert cluster.trace("outside", "node:node-2", port).answered_by == "default/a"


def test_metallb_gives_an_address_and_one_node_answers_for_it() -> None:
    cluster = metallb(web(), pod("a", "node-2"))
    assert external_ip(cluster) == "192.168.64.240"
    (node,) = announcing(cluster, "192.168.64.240")
    trace = cluster.trace("outside", "192.168.64.240")
    assert trace.answered_by == "default/a"
    words = [e["message"] for e in cluster.get("events") if e["reason"] in ("IPAllocated", "nodeAssigned")]
    assert {*words} == {'Assigned IP ["192.168.64.240"]', f'announcing from node "{node}" with protocol "layer2"'}
    assert "192.168.64.240" not in cluster.node(node).run("ip addr").stdout, "no interface has it"


def test_a_policy_of_local_keeps_the_source_and_draws_the_address_to_who_serves() -> None:
    cluster = metallb(web(", externalTrafficPolicy: Local"), pod("a", "node-2"))
    assert announcing(cluster, "192.168.64.240") == ["node-2"]
    trace = cluster.trace("outside", "192.168.64.240")
    assert (trace.answered_by, trace.source_seen) == ("default/a", "203.0.113.7")
    cluster.apply(pod("b", "node-3"))
    cluster.delete("pod", "a")
    assert announcing(cluster, "192.168.64.240") == ["node-3"]
    assert cluster.trace("outside", "192.168.64.240").answered_by == "default/b"


def test_an_address_that_moves_is_believed_at_once_by_who_remembers_it() -> None:
    cluster = metallb(web(", externalTrafficPolicy: Local"), pod("a", "node-2"))
    cluster.send("outside", "192.168.64.240")
    before = cluster.world.table("router", "neigh")["eth0", "192.168.64.240"]
    cluster.apply(pod("b", "node-3"))
    cluster.delete("pod", "a")
    after = cluster.world.table("router", "neigh")["eth0", "192.168.64.240"]
    assert before.mac != after.mac
    assert cluster.send("outside", "192.168.64.240").answered_by == "default/b"


def test_when_the_announcing_node_goes_another_takes_over() -> None:
    cluster = metallb(web(), pod("a", "node-2"), pod("b", "node-3"))
    (node,) = announcing(cluster, "192.168.64.240")
    cluster.node(node).run("poweroff")
    (other,) = announcing(cluster, "192.168.64.240")
    assert other != node


def test_a_pool_that_is_used_up_leaves_a_service_waiting() -> None:
    cluster = metallb(*(web(name=name) for name in ("a", "b", "c")))
    assert [external_ip(cluster, name) for name in ("a", "b", "c")] == ["192.168.64.240", "192.168.64.241", "<pending>"]
    said = [e["message"] for e in cluster.get("events") if e["reason"] == "AllocationFailed"]
    assert said == ['Failed to allocate IP for "default/c": no available IPs']
    cluster.delete("service", "a")
    assert external_ip(cluster, "c") == "192.168.64.240"


def test_a_service_of_another_class_is_left_alone() -> None:
    cluster = metallb(web(", loadBalancerClass: example.com/other"))
    assert external_ip(cluster) == "<pending>"


def test_one_can_ask_for_a_certain_address() -> None:
    cluster = metallb(web(", loadBalancerIP: 192.168.64.241"))
    assert external_ip(cluster) == "192.168.64.241"


def test_source_ranges_let_only_some_in() -> None:
    cluster = metallb(web(", loadBalancerSourceRanges: [203.0.113.0/24]"), pod("a", "node-2"))
    assert cluster.trace("outside", "192.168.64.240").outcome == "connected"
    cluster.apply(web(", loadBalancerSourceRanges: [198.51.100.0/24]"))
    assert cluster.trace("outside", "192.168.64.240").outcome == "timeout"
    port = cluster.get("service", "web")["spec"]["ports"][0]["nodePort"]
    assert cluster.trace("outside", "node:node-2", port).outcome == "connected", "node ports are not filtered"


def test_a_health_check_node_port_says_whether_somebody_serves_here() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(web(", externalTrafficPolicy: Local") + pod("a", "node-2"))
    port = cluster.get("service", "web")["spec"]["healthCheckNodePort"]
    here = cluster.node("node-2").run(f"curl -s -w '%{{http_code}}' localhost:{port}/healthz").stdout
    assert here.endswith('"localEndpoints": 1,\n\t"serviceProxyHealthy": true\n}200')
    away = cluster.node("node-1").run(f"curl -s -o /dev/null -w '%{{http_code}}' localhost:{port}/healthz").stdout
    assert away == "503"
    assert cluster.node("node-1").run("curl -s localhost:10256/healthz").stdout == '{"nodeEligible": true}'


def cloud(*manifests_of: str, mode: str = "passthrough") -> Cluster:
    cluster = Cluster(nodes=3)
    cluster.apply(manifests.addon("cloud").replace("mode=passthrough", f"mode={mode}"))
    for manifest in manifests_of:
        cluster.apply(manifest)
    return cluster


def seen(cluster: Cluster, source: str = "outside", port: int = 80) -> set[tuple[str | None, str | None]]:
    fates = cluster.trace(source, external_ip(cluster), port).fates()
    return {(f.answered_by if f.outcome == "connected" else f.outcome, f.source_seen) for f in fates}


def test_a_load_balancer_that_passes_packets_through_needs_no_node_port() -> None:
    cluster = cloud(web(", allocateLoadBalancerNodePorts: false"), pod("a", "node-2"))
    assert external_ip(cluster) == "198.51.100.1"
    assert "nodePort" not in cluster.get("service", "web")["spec"]["ports"][0]
    assert seen(cluster) == {("default/a", "10.244.1.1"), ("default/a", "192.168.64.13")}
    assert cluster.trace("outside", "198.51.100.1", 81).outcome == "timeout"
    assert cluster.send("outside", "198.51.100.1").outcome == "connected"


def test_with_a_local_policy_only_nodes_that_serve_are_sent_to_and_the_source_stays() -> None:
    cluster = cloud(web(", externalTrafficPolicy: Local"), pod("a", "node-2"))
    assert seen(cluster) == {("default/a", "203.0.113.7")}
    cluster.apply(pod("b", "node-3"))
    cluster.delete("pod", "a")
    assert seen(cluster) == {("default/b", "203.0.113.7")}
    cluster.delete("pod", "b")
    assert seen(cluster) == {("timeout", None)}


def test_a_load_balancer_that_is_a_proxy_hides_the_client() -> None:
    cluster = cloud(web(", externalTrafficPolicy: Local"), pod("a", "node-2"), mode="proxy")
    ingress = cluster.get("service", "web")["status"]["loadBalancer"]["ingress"]
    assert ingress == [{"ip": "198.51.100.1", "ipMode": "Proxy"}]
    assert seen(cluster) == {("default/a", "192.168.64.1")}
    assert "198.51.100.1" not in cluster.node("node-1").run("iptables-save").stdout


def test_a_pod_goes_past_a_load_balancer_that_its_kube_proxy_knows_and_through_one_that_it_does_not() -> None:
    client = pod("client", "node-3").replace("app: web", "app: client")
    for mode, source in (("passthrough", "10.244.2.2"), ("proxy", "192.168.64.1")):
        cluster = cloud(web(", externalTrafficPolicy: Local"), pod("a", "node-2"), client, mode=mode)
        assert seen(cluster, "default/client") == {("default/a", source)}


def test_a_node_that_is_off_gets_nothing_and_a_control_plane_never() -> None:
    cluster = cloud(web(), pod("a", "node-2"))
    rules = "".join(str(chain) for chain in cluster.world.table("router", "chain").values())
    assert "CLB-TO-node-2" in rules
    assert "CLB-TO-node-1" not in rules
    cluster.node("node-3").run("poweroff")
    assert seen(cluster) == {("default/a", "10.244.1.1")}


def test_a_service_that_is_gone_leaves_nothing_in_the_cloud() -> None:
    cluster = cloud(web(), pod("a", "node-2"))
    address = external_ip(cluster)
    cluster.delete("service", "web")
    assert cluster.trace("outside", address).outcome == "unreachable"
    assert not [row for row in cluster.world.table("router", "rule").values() if row.proto == "cloud"]
