"""Load balancers: one in the cluster that answers ARP, one outside of it, and what their health checks hear."""

from __future__ import annotations

from k8slearn import Cluster

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
