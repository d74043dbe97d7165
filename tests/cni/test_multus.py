"""Multus: which networks a pod gets, in what order they come and go, and what is said when one fails."""

from __future__ import annotations

import json
from typing import Any

import pytest

from k8slearn.cni import runtime, skel
from k8slearn.cni.multus import selection, status
from k8slearn.cni.multus.delegates import RESOURCE
from k8slearn.cni.runtime import Attachment, Network
from k8slearn.cni.spec import CniError
from k8slearn.journal import Put, World
from k8slearn.linux import link

from .runner import NODE, machine, run
from .test_laws import at_every_step, pod, rows

CRD = {
    "metadata": {"name": RESOURCE},
    "spec": {
        "group": "k8s.cni.cncf.io",
        "scope": "Namespaced",
        "names": {"plural": "network-attachment-definitions", "kind": "NetworkAttachmentDefinition"},
        "versions": [{"name": "v1"}],
    },
}
KUBECONFIG = "/etc/cni/net.d/multus.d/multus.kubeconfig"
PODS = {"name": "pods", "cniVersion": "1.0.0"}


def leases(net: str, **more: Any) -> dict[str, Any]:
    return {"type": "host-local", "ranges": [[{"subnet": f"{net}.0/24"}]], **more}


DEFAULT = {**PODS, "plugins": [{"type": "bridge", "isDefaultGateway": True, "ipam": leases("10.1.0")}]}
STORAGE = {
    "cniVersion": "1.0.0",
    "type": "macvlan",
    "master": "uplink",
    "ipam": leases("10.9.0", routes=[{"dst": "0.0.0.0/0", "gw": "10.9.0.1"}]),
}
CONTROL = {
    "cniVersion": "1.0.0",
    "plugins": [{"type": "bridge", "bridge": "br1", "isGateway": True, "ipam": leases("10.7.0")}],
}


def network(**more: Any) -> Network:
    config = {"cniVersion": "1.0.0", "name": "multus-cni-network", "type": "multus", "delegates": [DEFAULT]}
    found = runtime.parse("00-multus.conf", json.dumps({**config, "kubeconfig": KUBECONFIG, **more}))
    assert found is not None
    return found


def cluster(networks: str | None = None, **annotations: str) -> World:
    """A node with multus on it, a Pod that asks for networks, and two NetworkAttachmentDefinitions."""
    world = machine("pod0", "pod1", ipv6=True)
    run(world, link.add_veth(world, NODE, "uplink", NODE, "far"))
    for end in ("uplink", "far"):
        run(world, link.set_up(world, NODE, end))
    world.apply(Put((NODE, "file", "/opt/cni/bin/multus"), skel.binary("multus")))
    world.apply(Put((NODE, "file", KUBECONFIG), "kind: Config"))
    world.apply(Put(("api", "customresourcedefinitions", RESOURCE), CRD))
    for name, config in (("default/storage", STORAGE), ("ops/control", CONTROL)):
        world.apply(Put(("api", RESOURCE, name), {"spec": {"config": json.dumps(config)}}))
    asked = {**({selection.NETWORKS: networks} if networks is not None else {}), **annotations}
    metadata = {"name": "web", "namespace": "default", "uid": "u1", "annotations": asked}
    world.apply(Put(("api", "pods", "default/web"), {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}))
    return world


def web() -> Attachment:
    words = "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_UID=u1"
    return pod(0)._replace(args=words)


def annotation(world: World) -> Any:
    return json.loads(world.table("api", "pods")["default/web"]["metadata"]["annotations"][status.STATUS])


def routes(world: World) -> set[tuple[str, str, str]]:
    return {(row.dst, row.via, row.dev) for row in world.table(f"{NODE}/pod0", "route").values() if row.via}


def said(world: World, net: Network | None = None, to: Attachment | None = None) -> str:
    with pytest.raises(CniError) as failed:
        run(world, runtime.add(world, net or network(), to or web()))
    return failed.value.msg.partition(" failed (add): ")[2]


def test_a_pod_without_an_annotation_has_the_default_network_and_is_told_so() -> None:
    world = cluster()
    result = run(world, runtime.add(world, network(), web()))
    assert [entry["address"] for entry in result["ips"]] == ["10.1.0.2/24"]
    mac = link.find(world, f"{NODE}/pod0", "eth0").mac
    entry = {"name": "pods", "interface": "eth0", "ips": ["10.1.0.2"], "mac": mac, "default": True, "dns": {}}
    assert annotation(world) == [{**entry, "gateway": ["10.1.0.1"]}]


def test_further_networks_are_net1_and_net2_in_their_order_and_the_result_is_the_default_networks() -> None:
    world = cluster("storage, ops/control")
    result = run(world, runtime.add(world, network(), web()))
    assert [entry["address"] for entry in result["ips"]] == ["10.1.0.2/24"]
    told = [(entry["name"], entry["interface"], entry["ips"], entry.get("default")) for entry in annotation(world)]
    assert told == [
        ("pods", "eth0", ["10.1.0.2"], True),
        ("default/storage", "net1", ["10.9.0.2"], None),
        ("ops/control", "net2", ["10.7.0.2"], None),
    ]
    events = [row for row in world.table("api", "events").values() if row["reason"] == "AddedInterface"]
    assert [row["message"] for row in events] == [
        "Add eth0 [10.1.0.2/24] from pods",
        "Add net1 [10.9.0.2/24] from default/storage",
        "Add net2 [10.7.0.2/24] from ops/control",
    ]


def test_json_asks_for_an_interface_an_address_a_mac_and_the_way_out() -> None:
    asked = {"name": "storage", "interface": "st0", "ips": ["10.9.0.77"], "mac": "02:00:00:00:00:05"}
    world = cluster(json.dumps([{**asked, "default-route": ["10.9.0.254"]}]))
    run(world, runtime.add(world, network(), web()))
    own = link.find(world, f"{NODE}/pod0", "st0")
    assert own.mac == "02:00:00:00:00:05"
    assert annotation(world)[1]["ips"] == ["10.9.0.77"]
    assert routes(world) == {("0.0.0.0/0", "10.9.0.254", "st0")}
    run(world, runtime.check(world, network(), web()))


def test_without_default_route_the_last_network_that_brings_one_has_the_way_out() -> None:
    world = cluster("storage")
    run(world, runtime.add(world, network(), web()))
    found = [(row.via, row.dev) for row in world.table(f"{NODE}/pod0", "route").values() if row.dst == "0.0.0.0/0"]
    assert found == [("10.9.0.1", "net1"), ("10.1.0.1", "eth0")]


def test_an_annotation_may_name_another_default_network() -> None:
    world = cluster(**{selection.DEFAULT_NETWORK: "mine"})
    world.apply(Put(("api", RESOURCE, "kube-system/mine"), {"spec": {"config": json.dumps(CONTROL)}}))
    result = run(world, runtime.add(world, network(), web()))
    assert [entry["address"] for entry in result["ips"]] == ["10.7.0.2/24"]
    assert annotation(world)[0]["name"] == "kube-system/mine"


def test_cluster_network_is_an_object_a_network_or_a_file_and_default_networks_come_with_it() -> None:
    for name in ("mine", "pods", "/etc/cni/multus/net.d", "/etc/cni/multus/net.d/10-x.conflist"):
        world = cluster()
        world.apply(Put(("api", RESOURCE, "kube-system/mine"), {"spec": {"config": json.dumps(DEFAULT)}}))
        world.apply(Put(("api", RESOURCE, "kube-system/more"), {"spec": {"config": json.dumps(CONTROL)}}))
        world.apply(Put((NODE, "file", "/etc/cni/multus/net.d/10-x.conflist"), json.dumps(DEFAULT)))
        net = network(delegates=[], clusterNetwork=name, defaultNetworks=["more"])
        run(world, runtime.add(world, net, web()))
        assert [entry["interface"] for entry in annotation(world)] == ["eth0", "net1"]
        run(world, runtime.delete(world, net, web()))
        assert not world.table(f"{NODE}/pod0", "addr")


def test_a_failing_delegate_takes_back_those_before_it_and_names_itself() -> None:
    world = cluster("ops/control, storage")
    run(world, link.delete(world, NODE, "uplink"))
    inside = f"{NODE}/pod0 link"
    before = _machine(world)[inside]
    doing = 'error adding container to network "storage": Link not found'
    assert said(world) == f"[default/web/u1:storage]: {doing}"
    assert _machine(world)[inside] == before
    assert not [name for name in world.table(NODE, "file") if "/networks/pods/10" in str(name)]


def test_del_goes_on_after_a_failure_and_tells_all_of_them() -> None:
    world = cluster("storage, ops/control")
    run(world, runtime.add(world, network(), web()))
    run(world, link.delete(world, NODE, "uplink"))
    words = 'errors: DelegateDel: error invoking DelegateDel - "macvlan": error in getting result from DelNetwork: Link'
    with pytest.raises(CniError, match=words):
        run(world, runtime.delete(world, network(), web()))
    assert {row.name for row in world.table(f"{NODE}/pod0", "link").values()} == {"lo"}


def _machine(world: World) -> dict[str, dict[Any, Any]]:
    """Everything but the API: an annotation and events stay there."""
    return {name: table for name, table in rows(world).items() if not name.startswith("api ")}


WRONG = {
    "storage@a@b": "parsePodNetworkAnnotation: parsePodNetworkObjectName: Invalid network object (failed at '@')",
    "a/b/c": "parsePodNetworkAnnotation: parsePodNetworkObjectName: Invalid network object (failed at '/')",
    '[{"name": "storage", "mac": "x"}]': "parsePodNetworkAnnotation: failed to mac: address x: invalid MAC address",
    '[{"name": "storage", "ips": ["x"]}]': 'failed to parse IP address "x"',
    '[{"name": "storage", "ips": "x"}]': "parsePodNetworkAnnotation: failed to parse pod Network Attachment Selection "
    "Annotation JSON format: json: cannot unmarshal string into Go struct field NetworkSelectionElement.ips of type "
    "[]string",
}


@pytest.mark.parametrize("text", WRONG)
def test_an_annotation_that_cannot_be_read_is_told_in_multus_words(text: str) -> None:
    assert said(cluster(text)) == f"Multus: [default/web/u1]: error loading k8s delegates k8s args: {WRONG[text]}"


def test_a_network_that_nobody_defined_is_an_event_and_an_error() -> None:
    world = cluster("nowhere")
    missing = (
        "cannot find a network-attachment-definition (nowhere) in namespace (default): "
        'network-attachment-definitions.k8s.cni.cncf.io "nowhere" not found'
    )
    assert said(world).endswith(f"GetNetworkDelegates: failed getting the delegate: getKubernetesDelegate: {missing}")
    assert [row["message"] for row in world.table("api", "events").values()] == [missing]


def test_isolation_keeps_pods_from_other_namespaces_networks() -> None:
    words = said(cluster("ops/control"), network(namespaceIsolation=True))
    assert words.endswith("pod is in namespace default but refers to target namespace ops")
    world = cluster("ops/control")
    run(world, runtime.add(world, network(namespaceIsolation=True, globalNamespaces="ops, x"), web()))


def test_what_is_missing_on_the_node_or_in_the_configuration_is_told() -> None:
    world = cluster()
    words = said(world, network(kubeconfig="/gone"))
    assert words.startswith("Multus: error getting k8s client: GetK8sClient: failed to get context for the kubeconfig")
    assert said(world, network(readinessindicatorfile="/run/flannel/subnet.env")).startswith(
        "Multus: [default/web/u1]: have you checked that your default network is ready? still waiting for"
    )
    nothing = "Multus: error loading netconf: LoadNetConf: at least one delegate/clusterNetwork must be specified"
    assert said(world, network(delegates=[])) == nothing


def test_a_pod_that_has_gone_from_the_api_gets_an_empty_result_and_nothing_else() -> None:
    world = cluster()
    result = run(world, runtime.add(world, network(), web()._replace(args=web().args.replace("=web", "=gone"))))
    assert result["ips"] == [{"address": "0.0.0.0/0", "gateway": "0.0.0.0"}]
    assert not world.table(f"{NODE}/pod0", "addr")


def test_results_are_cached_apart_and_del_goes_from_the_last_to_the_first() -> None:
    world = cluster("storage")
    run(world, runtime.add(world, network(), web()))
    names = sorted(str(name) for name in world.table(NODE, "file") if str(name).startswith("/var/lib/cni/"))
    assert [name for name in names if "results" in name] == [
        "/var/lib/cni/multus/results/pods-ctr0-eth0",
        "/var/lib/cni/multus/results/storage-ctr0-net1",
        "/var/lib/cni/results/multus-cni-network-ctr0-eth0",
    ]
    gone = []
    for command in runtime.delete(world, network(), web()):
        world.apply(command)
        if command.key[1] == "file" and command.key[2] in names and world.get(command.key) is None:
            gone.append(str(command.key[2]).rpartition("/")[2])
    order = ["storage-ctr0-net1", "pods-ctr0-eth0", "ctr0", "multus-cni-network-ctr0-eth0"]
    assert [name for name in gone if name in order] == order


def test_del_needs_no_annotation_any_more() -> None:
    world = cluster("storage")
    before = _machine(world)
    run(world, runtime.add(world, network(), web()))
    obj = world.table("api", "pods")["default/web"]
    world.apply(Put(("api", "pods", "default/web"), {**obj, "metadata": {**obj["metadata"], "annotations": {}}}))
    run(world, runtime.delete(world, network(), web()))
    assert _without_bridge(_machine(world)) == _without_bridge(before)


def test_check_looks_at_the_default_network_alone() -> None:
    world = cluster("storage")
    run(world, runtime.add(world, network(), web()))
    run(world, link.delete(world, f"{NODE}/pod0", "net1"))
    run(world, runtime.check(world, network(), web()))
    run(world, link.delete(world, f"{NODE}/pod0", "eth0"))
    with pytest.raises(CniError, match=r"DelegateCheck: error invoking ConflistCheck - \"pods\": conflistCheck: "):
        run(world, runtime.check(world, network(), web()))


@pytest.mark.parametrize("doing", ["ADD", "DEL"])
def test_a_crash_after_any_step_leaves_nothing_that_del_does_not_take_away(doing: str) -> None:
    world = cluster('[{"name": "storage", "default-route": ["10.9.0.1"]}, {"name": "control", "namespace": "ops"}]')
    run(world, runtime.add(world, network(), web()))
    run(world, runtime.delete(world, network(), web()))
    before = _machine(world)
    if doing == "DEL":
        run(world, runtime.add(world, network(), web()))

    def then(copy: World) -> None:
        run(copy, runtime.delete(copy, network(), web()))
        run(copy, runtime.delete(copy, network(), web()))
        assert _machine(copy) == before

    verb = runtime.add if doing == "ADD" else runtime.delete
    assert at_every_step(world, lambda copy: verb(copy, network(), web()), then) > 20


def _without_bridge(found: dict[str, dict[Any, Any]]) -> dict[str, dict[Any, Any]]:
    """What is in the pod, and the leases: bridges stay, as they do without multus."""
    files = {name: text for name, text in found.get(f"{NODE} file", {}).items() if not str(name).endswith("lock")}
    return {"pod": found.get(f"{NODE}/pod0 link", {}), "files": files}
