"""``network="cilium"``: what a person finds on such a node, what the programs do, and what becomes of it in faults."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from k8slearn import Cluster, manifests
from k8slearn.cni.cilium import lb, maps
from k8slearn.linux.skb import Net

from .given import events, pod

LAWS = [("pod-to-pod", True), ("agent-to-pod", True), ("no-nat", True)]
MODES: dict[str, dict[str, str]] = {
    "tunnel": {},
    "native": {
        "routing-mode": "native",
        "auto-direct-node-routes": "true",
        "ipv4-native-routing-cidr": "10.244.0.0/16",
    },
    "tunnel, encrypted": {"enable-wireguard": "true"},
}
MODES["native, encrypted"] = MODES["native"] | MODES["tunnel, encrypted"]


def grown(nodes: int = 2, **more: Any) -> Cluster:
    cluster = Cluster(nodes=nodes, network="cilium", **more)
    for number in range(1, nodes + 1):
        cluster.apply(pod("abcdef"[number - 1], f"node-{number}"))
    return cluster


def told(cluster: Cluster, **flags: str) -> None:
    """cilium-config is changed."""
    config = cluster.get("configmap", "cilium-config", namespace="kube-system")
    flags = {name.replace("_", "-"): value for name, value in flags.items()}
    cluster.apply({**config, "data": {**config["data"], **flags}}, namespace="kube-system")


def lines(cluster: Cluster, node: str, command: str) -> list[str]:
    result = cluster.node(node).run(command)
    assert result.exit_code == 0, result.stderr
    return [line.strip() for line in result.stdout.splitlines()]


def address(cluster: Cluster, name: str) -> str:
    return str(cluster.get("pod", name)["status"]["podIP"])


def router(cluster: Cluster, node: str) -> str:
    rows = cluster.get("ciliumnode", node)["spec"]["addresses"]
    return next(str(row["ip"]) for row in rows if row["type"] == "CiliumInternalIP")


def service(kind: str = "ClusterIP", policy: str = "", app: str = "web") -> dict[str, Any]:
    spec: dict[str, Any] = {"type": kind, "selector": {"app": app}, "ports": [{"port": 8080, "targetPort": 80}]}
    spec |= {"externalTrafficPolicy": policy} if policy else {}
    if kind == "NodePort":
        spec["ports"][0]["nodePort"] = 30080
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": app}, "spec": spec}


def with_service(kind: str = "ClusterIP", policy: str = "") -> Cluster:
    """A Service with a backend on each of the first two of three nodes."""
    cluster = grown(3)
    for number in (1, 2):
        cluster.apply(pod(f"web-{number}", f"node-{number}", "{app: web}"))
    cluster.apply(service(kind, policy))
    return cluster


# --- the wiring --------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_the_laws_hold_in_every_mode(mode: str) -> None:
    cluster = grown(3)
    told(cluster, **MODES[mode])
    assert [(law.name, law.holds) for law in cluster.laws()] == LAWS
    trace = cluster.trace("default/a", "default/c")
    assert trace.source_seen == address(cluster, "a")
    assert any(step.after.vni for step in trace.steps) is mode.startswith("tunnel")
    assert any(step.after.cipher for step in trace.steps) is mode.endswith("encrypted")
    assert cluster.trace("default/a", "outside").source_seen == "192.168.64.11"


def test_the_tunnels_vni_is_the_senders_identity() -> None:
    cluster = grown()
    wrapped = next(step.after for step in cluster.trace("default/a", "default/b").steps if step.after.vni)
    assert wrapped.vni == cluster.get("ciliumendpoint", "a")["status"]["identity"]["id"]
    assert (wrapped.dst, wrapped.dport) == ("192.168.64.12", 8472)
    wrapped = next(step.after for step in cluster.trace("node:node-1", "default/b").steps if step.after.vni)
    assert wrapped.vni == 6, "a node is remote-node to the others"


def test_pods_of_one_node_meet_without_its_stack() -> None:
    cluster = grown(1)
    cluster.apply(pod("near", "node-1"))
    trace = cluster.trace("default/a", "default/near")
    on_node = [step.what for leg in trace.legs for step in leg.steps if step.where == "node:node-1"]
    assert trace.outcome == "connected"
    assert set(on_node) <= {"transmit", "arp"}, "no route, no rule, no conntrack"


def test_pods_of_one_deployment_have_one_identity() -> None:
    cluster = grown()
    for number in (1, 2):
        cluster.apply(pod(f"w{number}", f"node-{number}", "{app: web, pod-template-hash: x" + f"{number}" + "}"))
    ids = [cluster.get("ciliumendpoint", f"w{n}")["status"]["identity"]["id"] for n in (1, 2)]
    assert ids[0] == ids[1] != cluster.get("ciliumendpoint", "a")["status"]["identity"]["id"]
    found = cluster.get("ciliumidentity", str(ids[0]))["security-labels"]
    assert found["k8s:app"] == "web"
    assert "k8s:pod-template-hash" not in found


def test_a_pod_with_other_labels_gets_another_identity_everywhere() -> None:
    cluster = grown()
    before = cluster.get("ciliumendpoint", "a")["status"]
    cluster.kubectl("label pod a tier=front")
    after = cluster.get("ciliumendpoint", "a")["status"]
    assert after["id"] == before["id"]
    assert after["identity"]["id"] != before["identity"]["id"]
    for node in ("node-1", "node-2"):
        row = cluster.world.get((f"node:{node}", maps.IPCACHE, f"{address(cluster, 'a')}/32"))
        assert row.identity == after["identity"]["id"]


def test_a_pod_cannot_send_with_an_address_that_is_not_its_own() -> None:
    cluster = grown()
    cluster.pod("a").run("ip addr add 10.244.0.250/32 dev eth0")
    cluster.pod("a").run(f"ip route replace default via {router(cluster, 'node-1')} dev eth0 src 10.244.0.250")
    trace = cluster.trace("default/a", "default/b")
    assert trace.outcome == "timeout"
    assert trace.attempt.decisive is not None
    assert trace.attempt.decisive.says.startswith("Invalid source ip")
    assert trace.attempt.decisive.hook == "cil_from_container"


def test_no_kube_proxy_runs() -> None:
    cluster = grown(1)
    assert not [
        row for row in cluster.get("configmaps", namespace="kube-system") if row["metadata"]["name"] == "kube-proxy"
    ]
    assert "KUBE-" not in cluster.node("node-1").run("iptables-save").stdout


# --- Services ----------------------------------------------------------------------------------


def test_a_socket_is_told_a_backend_and_no_packet_has_the_services_address() -> None:
    cluster = with_service()
    vip = cluster.get("service", "web")["spec"]["clusterIP"]
    trace = cluster.trace("default/c", "svc:default/web", 8080)
    assert (trace.outcome, trace.source_seen) == ("connected", address(cluster, "c"))
    assert not any(vip in (step.before.src, step.before.dst) for leg in trace.legs[1:] for step in leg.steps)
    told_by = trace.legs[0].steps[0].because
    assert told_by is not None
    assert told_by.key[1] == maps.SERVICES
    assert "Service default/web" in told_by.text
    (piece,) = [p for p in cluster.get("endpointslices") if p["metadata"]["name"].startswith("web-")]
    assert f"EndpointSlice default/{piece['metadata']['name']}" in told_by.text
    assert {f.answered_by: f.probability for f in trace.fates()} == dict.fromkeys(
        ("default/web-1", "default/web-2"), Fraction(1, 2)
    )


def test_three_backends_are_exactly_as_likely_as_each_other() -> None:
    cluster = with_service()
    cluster.apply(pod("web-3", "node-3", "{app: web}"))
    fates = cluster.trace("default/c", "svc:default/web", 8080).fates()
    assert [fate.probability for fate in fates] == [Fraction(1, 3)] * 3


def test_a_service_without_backends_refuses_at_once() -> None:
    cluster = grown(1)
    cluster.apply(service(app="nobody"))
    trace = cluster.trace("default/a", "svc:default/nobody", 8080)
    assert (trace.outcome, trace.attempt.ending.error) == ("unreachable", "No route to host")


def test_nodes_are_clients_too_and_udp_is_told_alike() -> None:
    cluster = with_service()
    assert cluster.trace("node:node-3", "svc:default/web", 8080).outcome == "connected"
    dns = pod("dns", "node-2", "{app: dns}", image="coredns")
    cluster.apply(dns)
    wanted = service(app="dns")
    wanted["spec"]["ports"] = [{"port": 53, "protocol": "UDP", "targetPort": 53}]
    cluster.apply(wanted)
    assert cluster.trace("default/a", "svc:default/dns", 53, "UDP").outcome == "connected"


@pytest.mark.parametrize("node", ["node-1", "node-3"])
@pytest.mark.parametrize("mode", ["tunnel", "native"])
def test_a_node_port_hides_the_client_where_the_backend_is_elsewhere(node: str, mode: str) -> None:
    cluster = with_service("NodePort")
    told(cluster, **MODES[mode])
    trace = cluster.trace("outside", f"192.168.64.1{node[-1]}", 30080)
    assert trace.outcome == "connected"
    hidden = router(cluster, node) if mode == "tunnel" else f"192.168.64.1{node[-1]}"
    local = trace.answered_by == f"default/web-{node[-1]}"
    assert trace.source_seen == ("203.0.113.7" if local else hidden)
    assert {fate.outcome for fate in trace.fates()} == {"connected"}
    asked = [
        step for leg in trace.legs if leg.direction == "reply" for step in leg.steps if step.where.startswith("outside")
    ]
    assert all(step.before.src == f"192.168.64.1{node[-1]}" for step in asked if step.before.proto == "tcp")


def test_the_local_policy_keeps_the_client_and_refuses_where_no_backend_is() -> None:
    cluster = with_service("NodePort", "Local")
    here = cluster.trace("outside", "192.168.64.11", 30080)
    assert (here.outcome, here.answered_by, here.source_seen) == ("connected", "default/web-1", "203.0.113.7")
    assert cluster.trace("outside", "192.168.64.13", 30080).outcome == "refused"
    inside = cluster.trace("default/c", "192.168.64.13", 30080)
    assert {fate.answered_by for fate in inside.fates()} == {"default/web-1", "default/web-2"}


def test_a_conversation_by_a_node_port_is_kept_in_the_maps_and_goes_on() -> None:
    cluster = with_service("NodePort")
    first = cluster.send("outside", "192.168.64.13", 30080)
    assert first.outcome == "connected"
    assert cluster.world.table("node:node-3", maps.SNAT)
    assert cluster.world.table("node:node-3", maps.CT)


def test_a_services_row_goes_with_it() -> None:
    cluster = with_service()
    before = len(cluster.world.table("node:node-3", maps.SERVICES))
    cluster.delete("service", "web")
    left = cluster.world.table("node:node-3", maps.SERVICES)
    assert len(left) == before - 3
    assert {row.of for row in left.values()} == {"default/kubernetes"}
    assert len(cluster.world.table("node:node-3", maps.BACKENDS)) == 1


# --- encryption --------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["tunnel, encrypted", "native, encrypted"])
def test_what_is_cipher_and_what_is_plain(mode: str) -> None:
    cluster = grown()
    cluster.apply(pod("near", "node-1"))
    told(cluster, **MODES[mode])

    def cipher(source: str, destination: str) -> bool:
        trace = cluster.trace(source, destination)
        assert trace.outcome in ("connected", "refused")
        return any(step.after.cipher for step in trace.steps)

    assert cipher("default/a", "default/b")
    assert not cipher("default/a", "default/near")
    assert not cipher("default/a", "outside")
    assert not cipher("node:node-1", "node:node-2")
    assert cipher("node:node-1", "default/b") is mode.startswith("tunnel"), "the tunnel is encrypted, whoever uses it"


def test_on_the_wire_there_is_only_wireguard_and_within_it_the_tunnel() -> None:
    cluster = grown()
    told(cluster, enable_wireguard="true")
    cluster.send("default/a", "default/b")
    seen = str(cluster.trace("default/a", "default/b").capture("node:node-1", "eth0")).splitlines()
    assert seen
    assert all("192.168.64.11.51871" in line and "UDP" in line for line in seen)
    inside = str(cluster.trace("default/a", "default/b").capture("node:node-1", "cilium_wg0"))
    assert f"instance {cluster.get('ciliumendpoint', 'a')['status']['identity']['id']}" in inside
    shown = cluster.node("node-1").run("wg show").stdout
    assert "listening port: 51871" in shown
    behind = sorted(f"{a}/32" for a in (address(cluster, "b"), router(cluster, "node-2")))
    (allowed,) = [line for line in shown.splitlines() if "allowed ips" in line]
    assert sorted(allowed.partition(": ")[2].split(", ")) == [*behind, "192.168.64.12/32"]
    note = cluster.get("ciliumnode", "node-2")["metadata"]["annotations"]["network.cilium.io/wg-pub-key"]
    assert f"peer: {note}" in shown


def test_routes_leave_room_for_every_header() -> None:
    cluster = grown()
    for mode, wanted in zip(MODES, ("mtu 1450", "", "mtu 1370", "mtu 1420"), strict=True):
        told(cluster, **{"enable-wireguard": "false", "routing-mode": "tunnel", **MODES[mode]})
        (route,) = [line for line in lines(cluster, "node-1", "ip route") if line.startswith("10.244.1.0/24")]
        assert route.endswith(wanted or "proto kernel"), mode


# --- the configuration, and what becomes of it -------------------------------------------------


def test_with_native_routing_a_route_leads_to_the_other_node_itself() -> None:
    cluster = grown()
    told(cluster, **MODES["native"])
    assert "10.244.1.0/24 via 192.168.64.12 dev eth0 proto kernel" in lines(cluster, "node-1", "ip route")
    assert cluster.node("node-1").run("ip link show cilium_vxlan").exit_code == 1
    told(cluster, auto_direct_node_routes="false")
    assert not [line for line in lines(cluster, "node-1", "ip route") if line.startswith("10.244.1.0/24")]
    assert cluster.trace("default/a", "default/b").outcome != "connected", "the network knows no pods"


def test_native_routing_needs_to_know_its_range() -> None:
    cluster = grown(1)
    told(cluster, routing_mode="native")
    assert any(said.startswith("native routing cidr must be configured") for said in events(cluster, "NotModelled"))
    assert cluster.node("node-1").run("ip link show cilium_vxlan").exit_code == 0, "the agent does not start"


def test_a_direct_route_needs_a_node_on_the_same_link() -> None:
    subnets = {
        "a": {"cidr": "192.168.64.0/25", "nodes": ["node-1"]},
        "b": {"cidr": "192.168.64.128/25", "nodes": ["node-2"]},
    }
    cluster = grown(topology={"subnets": subnets})
    assert cluster.trace("default/a", "default/b").outcome == "connected", "a tunnel needs no route"
    told(cluster, **MODES["native"])
    assert any("must be directly reachable" in said for said in events(cluster, "NodeRouteFailed"))


@pytest.mark.parametrize("flag", [{"tunnel-protocol": "geneve"}, {"enable-bpf-masquerade": "true"}])
def test_what_is_not_modelled_is_said(flag: dict[str, str]) -> None:
    cluster = grown(1)
    told(cluster, **flag)
    assert any("is not modelled here" in said for said in events(cluster, "NotModelled"))


def test_before_the_agent_a_node_has_no_network_and_pods_wait() -> None:
    cluster = Cluster(nodes=1, network=None, proxy="none")
    cluster.apply(pod("a", "node-1"))
    assert cluster.get("pod", "a")["status"]["phase"] == "Pending"
    cluster.apply(manifests.text("cilium"))
    cluster.advance(60)
    assert cluster.get("pod", "a")["status"]["phase"] == "Running"
    condition = {c["type"]: c for c in cluster.get("node", "node-1")["status"]["conditions"]}["NetworkUnavailable"]
    assert (condition["status"], condition["reason"]) == ("False", "CiliumIsUp")


def test_without_the_operator_no_node_gets_a_range() -> None:
    cluster = Cluster(nodes=1, network=None, proxy="none")
    text = manifests.text("cilium")
    cluster.apply("\n---\n".join(part for part in text.split("\n---\n") if "kind: Deployment" not in part))
    cluster.advance(120)
    ready = {c["type"]: c for c in cluster.get("node", "node-1")["status"]["conditions"]}["Ready"]
    assert ready["status"] == "False"
    assert cluster.get("ciliumnode", "node-1")["spec"]["ipam"] == {}


def test_when_the_agents_go_pods_stay_connected_and_new_ones_are_stuck() -> None:
    cluster = with_service()
    cluster.delete("daemonset", "cilium", namespace="kube-system")
    cluster.advance(600)
    assert cluster.trace("default/a", "default/b").outcome == "connected"
    assert cluster.trace("default/a", "svc:default/web", 8080).outcome == "connected"
    cluster.apply(pod("late", "node-1"))
    cluster.advance(30)
    assert cluster.get("pod", "late")["status"]["phase"] == "Pending"
    assert any("unable to connect to Cilium agent" in said for said in events(cluster, "FailedCreatePodSandBox"))
    cluster.delete("pod", "web-1")
    cluster.advance(60)
    assert {f.answered_by for f in cluster.trace("default/c", "svc:default/web", 8080).fates()} == {
        None, "default/web-2",
    }, "nobody tells the maps that a backend is gone"  # fmt: skip
    cluster.apply(manifests.text("cilium"))
    cluster.advance(300)
    assert cluster.get("pod", "late")["status"]["phase"] == "Running"
    assert cluster.trace("default/late", "svc:default/web", 8080).answered_by == "default/web-2"


def test_a_node_that_was_booted_again_has_its_maps_and_programs() -> None:
    cluster = with_service()
    assert cluster.node("node-2").run("reboot").exit_code == 0
    cluster.advance(300)
    assert all(law.holds for law in cluster.laws())
    assert {f.outcome for f in cluster.trace("default/b", "svc:default/web", 8080).fates()} == {"connected"}


def test_a_pod_gets_the_address_that_its_annotation_asks_for() -> None:
    cluster = grown()
    spec = {"nodeName": "node-2", "containers": [{"name": "c", "image": "nginx"}]}
    metadata = {"name": "asked", "annotations": {"k8slearn.io/pod-ips": '["10.244.1.10"]'}}
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    assert address(cluster, "asked") == "10.244.1.10"
    assert cluster.trace("default/a", "default/asked").outcome == "connected"


def test_deleting_pods_takes_their_rows_from_every_node() -> None:
    cluster = grown()
    gone = address(cluster, "b")
    cluster.delete("pod", "b")
    cluster.advance(60)
    assert cluster.get("ciliumendpoints", namespace=None)[0]["metadata"]["name"] == "a"
    for node in ("node:node-1", "node:node-2"):
        assert cluster.world.get((node, maps.IPCACHE, f"{gone}/32")) is None
        assert cluster.world.get((node, maps.LXC, gone)) is None


def test_the_programs_are_told_and_not_rebuilt(tmp_path: Path) -> None:
    script = tmp_path / "cluster.sh"
    script.write_text(Cluster(nodes=2, network="cilium").export("netns"))
    done = subprocess.run(["bash", str(script), "up"], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "eBPF programs" in done.stderr


def test_cilium_is_compared_with_the_others() -> None:
    cluster = grown()
    found = cluster.compare(["cilium", "calico", "bridge"], "default/a", "default/b")
    assert {trace.outcome for trace in found.traces.values()} == {"connected"}
    assert all(told["law"].startswith("holds") for told in found.table.values())
    assert "VNI" in found.table["cilium"]["headers"] or "VXLAN" in found.table["cilium"]["headers"]


# --- cilium-dbg --------------------------------------------------------------------------------


def dbg(cluster: Cluster, command: str, node: str = "node-1") -> list[str]:
    return [line.rstrip() for line in lines(cluster, node, f"cilium-dbg {command}")]


def test_the_agents_status_has_the_lines_of_published_captures() -> None:
    cluster = grown()
    shown = cluster.node("node-1").run("cilium-dbg status").stdout.splitlines()
    for line in (
        "KVStore:                 Disabled   ",
        "KubeProxyReplacement:    True   [eth0   192.168.64.11 (Direct Routing)]",
        "Routing:                 Network: Tunnel [vxlan]   Host: Legacy",
        "Masquerading:            IPTables [IPv4: Enabled, IPv6: Disabled]",
        "IPAM:                    IPv4: 2/254 allocated from 10.244.0.0/24, ",
        "Global Identity Range:   min 256, max 65535",
    ):
        assert line in shown
    told(cluster, **MODES["native, encrypted"])
    text = cluster.node("node-1").run("cilium-dbg status --verbose").stdout
    assert "Network: Native   Host: Legacy" in text
    assert f"  {router(cluster, 'node-1')} (router)\n" in text
    key = cluster.get("ciliumnode", "node-1")["metadata"]["annotations"]["network.cilium.io/wg-pub-key"]
    assert f"[NodeEncryption: Disabled, cilium_wg0 (Pubkey: {key}, Port: 51871, Peers: 1)]" in text
    assert dbg(cluster, "encrypt status")[1:] == ["Interface: cilium_wg0", f"Public key: {key}", "Number of peers: 1"]


def test_the_lists_say_what_is_in_the_maps() -> None:
    cluster = with_service("NodePort", "Local")
    web = cluster.get("ciliumendpoint", "web-1")["status"]
    assert any(line.split()[0] == str(web["id"]) for line in dbg(cluster, "endpoint list"))
    assert f"{web['identity']['id']}   k8s:app=web" in dbg(cluster, "identity list")
    balanced = dbg(cluster, "bpf lb list", "node-3")
    rows = {line.rpartition("   ")[0].strip(): line.rpartition("   ")[2] for line in balanced}
    assert rows["192.168.64.13:30080/TCP (0)"].endswith("(0) [NodePort, Local, two-scopes]"), "none is on node-3"
    assert rows["192.168.64.13:30080/TCP/i (2)"].startswith(f"{address(cluster, 'web-2')}:80/TCP")
    assert rows["10.96.0.1:443/TCP (1)"].startswith("192.168.64.11:6443/TCP")
    assert any(line.startswith("10.96.0.1:443/TCP") and "ClusterIP" in line for line in dbg(cluster, "service list"))
    (said,) = dbg(cluster, f"bpf ipcache get {address(cluster, 'b')}")
    assert said.endswith("tunnelendpoint=192.168.64.12 flags=hastunnel")
    assert "192.168.64.11/32    identity=7 encryptkey=0 tunnelendpoint=0.0.0.0 flags=<none>" in dbg(
        cluster, "bpf ipcache list", "node-2"
    ), "the API server's machine"


def test_without_the_agent_only_the_maps_can_be_read() -> None:
    cluster = grown(1)
    assert "Encryption: Disabled" in cluster.kubectl("-n kube-system exec ds/cilium -- cilium-dbg encrypt status")
    cluster.delete("daemonset", "cilium", namespace="kube-system")
    cluster.advance(10)
    failed = cluster.node("node-1").run("cilium-dbg endpoint list")
    assert failed.exit_code == 1
    assert "Is the agent running?" in failed.stderr
    assert dbg(cluster, "bpf endpoint list")
    assert "1.18" in cluster.node("node-1").run("cilium-dbg bpf tunnel list").stderr
    assert cluster.pod("a").run("cilium-dbg status").exit_code == 127


def test_with_session_affinity_a_client_stays_with_its_backend() -> None:
    cluster = with_service()
    wanted = service()
    wanted["spec"] |= {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 100}}}
    cluster.apply(wanted)
    assert len(cluster.trace("default/c", "svc:default/web", 8080).fates()) == 2
    first = cluster.send("default/c", "svc:default/web", 8080).answered_by
    for _ in range(3):
        (fate,) = cluster.trace("default/c", "svc:default/web", 8080).fates()
        assert fate.answered_by == first
    assert any("sessionAffinity" in line for line in dbg(cluster, "bpf lb list"))
    assert first is not None
    cluster.delete("pod", first.removeprefix("default/"))
    cluster.advance(60)
    assert cluster.trace("default/c", "svc:default/web", 8080).answered_by != first, "nobody stays with the dead"
    cluster.send("default/c", "svc:default/web", 8080)
    cluster.apply(pod("web-3", "node-3", "{app: web}"))
    cluster.advance(101)
    assert len(cluster.trace("default/c", "svc:default/web", 8080).fates()) == 2


def test_a_host_port_is_a_row_of_the_pods_own_node() -> None:
    cluster = grown()
    container = {"name": "c", "image": "nginx", "ports": [{"containerPort": 80, "hostPort": 8080}]}
    spec = {"nodeName": "node-2", "containers": [container]}
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec})
    outside = cluster.trace("outside", "192.168.64.12", 8080)
    assert (outside.answered_by, outside.source_seen) == ("default/web", "203.0.113.7")
    assert cluster.trace("default/a", "192.168.64.12", 8080).answered_by == "default/web"
    assert cluster.trace("node:node-2", "127.0.0.1", 8080).answered_by == "default/web"
    assert cluster.trace("outside", "192.168.64.11", 8080).outcome == "refused", "of no other node"
    assert any("[HostPort]" in line for line in dbg(cluster, "bpf lb list", "node-2"))
    cluster.delete("pod", "web")
    cluster.advance(60)
    assert cluster.trace("outside", "192.168.64.12", 8080).outcome == "refused"


def test_a_socket_does_not_choose_again_when_its_packet_is_lost() -> None:
    cluster = with_service()
    cluster.pod("web-2").run("iptables -A INPUT -p tcp --dport 80 -j DROP")
    fates = cluster.trace("default/c", "svc:default/web", 8080).fates()
    assert {fate.outcome: fate.probability for fate in fates} == dict.fromkeys(("connected", "timeout"), Fraction(1, 2))


def test_a_look_up_takes_as_long_with_many_services_as_with_one() -> None:
    """Counted in calls, once the kernel's tables are there."""

    def calls(cluster: Cluster) -> int:
        net, netns = Net(cluster.world.fork()), "node:node-1"
        vip = cluster.get("service", "web")["spec"]["clusterIP"]
        for _ in range(2):
            count = [0]
            sys.setprofile(lambda frame, event, argument, count=count: count.__setitem__(0, count[0] + 1))
            lb.CONNECT.run(net, netns, vip, 8080, "tcp")
            sys.setprofile(None)
        return count[0]

    cluster = grown(1)
    cluster.apply(pod("web", "node-1", "{app: web}"))
    cluster.apply(service())
    alone = calls(cluster)
    cluster.apply([service(app=f"other-{number}") for number in range(60)])
    assert calls(cluster) == alone


def test_two_services_share_a_backend_and_it_goes_with_the_last() -> None:
    cluster = with_service()
    second = service()
    second["metadata"] = {"name": "second"}
    cluster.apply(second)
    table = cluster.world.table("node:node-3", maps.BACKENDS)
    assert len(table) == 3, "the API server, and the two pods once"
    cluster.delete("service", "web")
    assert len(cluster.world.table("node:node-3", maps.BACKENDS)) == 3
    assert cluster.trace("default/c", "svc:default/second", 8080).outcome == "connected"
    cluster.delete("service", "second")
    assert len(cluster.world.table("node:node-3", maps.BACKENDS)) == 1


def test_a_route_that_somebody_deletes_comes_back_when_the_agent_looks() -> None:
    cluster = grown()
    cluster.node("node-1").run("ip route del 10.244.1.0/24")
    assert cluster.trace("node:node-1", "default/b").outcome != "connected"
    assert cluster.trace("default/a", "default/b").outcome == "connected", "pods' packets ask no route for pods"
    cluster.advance(66)
    assert cluster.trace("node:node-1", "default/b").outcome == "connected"


def test_tc_lists_the_programs_and_takes_one_away() -> None:
    """The lines of published captures; the number and the tag of a program are random in life."""
    cluster = grown()
    shown = lines(cluster, "node-1", "tc filter show dev cilium_host egress")
    assert shown[0] == "filter protocol all pref 1 bpf chain 0"
    start = "filter protocol all pref 1 bpf chain 0 handle 0x1 cil_from_host-cilium_host direct-action not_in_hw id "
    assert shown[1].startswith(start)
    assert shown[1].endswith(" jited")
    assert lines(cluster, "node-1", "tc filter show dev cilium_net egress") == []
    lines(cluster, "node-1", "tc filter del dev cilium_host egress")
    assert cluster.trace("default/a", "default/b").outcome == "connected", "pods do not pass there"
    assert cluster.trace("node:node-1", "default/b").outcome == "timeout"
