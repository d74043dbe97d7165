"""Static pods: a file on a node is a pod there, and what the API shows of it is a mirror."""

from __future__ import annotations

from typing import Any

import pytest

from k8slearn import Cluster

from .given import events, names, pod

FOLDER = "/etc/kubernetes/manifests"
HASH, MIRROR, SOURCE = (f"kubernetes.io/config.{what}" for what in ("hash", "mirror", "source"))


def cluster(**settings: Any) -> Cluster:
    return Cluster(nodes=2, **settings)


def write(to: Cluster, text: str, name: str = "web.yaml", node: str = "node-2") -> None:
    assert to.node(node).run(f"tee {FOLDER}/{name}", stdin=text).exit_code == 0


def log(of: Cluster) -> str:
    return of.node("node-2").run("journalctl -u kubelet").stdout


def sandboxes(of: Cluster) -> list[str]:
    return of.node("node-2").run("crictl pods -q").stdout.split()


def test_a_file_on_a_node_is_a_pod_with_the_nodes_name_behind_its_own() -> None:
    web = cluster()
    write(web, pod("web", labels="{app: web}"))
    (mirror,) = web.get("pods")
    metadata, spec = mirror["metadata"], mirror["spec"]
    assert (metadata["name"], spec["nodeName"], mirror["status"]["phase"]) == ("web-node-2", "node-2", "Running")
    notes = metadata["annotations"]
    assert notes[HASH] == notes[MIRROR] != metadata["uid"]
    assert notes[SOURCE] == "file"
    node = web.get("nodes", "node-2")
    owner = {"apiVersion": "v1", "kind": "Node", "name": "node-2", "uid": node["metadata"]["uid"], "controller": True}
    assert metadata["ownerReferences"] == [owner]
    assert spec["tolerations"] == [{"operator": "Exists", "effect": "NoExecute"}]
    assert not {"serviceAccountName", "volumes"} & set(spec)
    assert web.trace("node:node-1", "default/web-node-2", 80).outcome == "connected"
    assert "Started" in web.kubectl("describe pod web-node-2").partition("Events:")[2]


def test_a_mirror_that_is_deleted_stops_nothing_and_comes_back() -> None:
    web = cluster()
    write(web, pod("web"))
    before, uid = sandboxes(web), web.get("pods", "web-node-2")["metadata"]["uid"]
    for flags in ("", " --force --grace-period=0"):
        web.kubectl(f"delete pod web-node-2{flags}")
        assert sandboxes(web) == before
        again = web.get("pods", "web-node-2")
        assert again["metadata"]["uid"] != uid
        assert again["status"]["phase"] == "Running"
    assert events(web, "Killing") == []


def test_removing_the_file_stops_the_pod_and_takes_its_mirror_along() -> None:
    web = cluster()
    write(web, pod("web"))
    web.node("node-2").run(f"rm {FOLDER}/web.yaml")
    assert (names(web), sandboxes(web)) == ([], [])
    assert events(web, "Killing") == ["Stopping container c"]


def test_a_changed_file_is_another_pod_that_starts_when_the_old_one_has_ended() -> None:
    web = cluster()
    slow = pod("web", image="busybox, command: [sleep, infinity]")
    write(web, slow)
    first = web.get("pods", "web-node-2")["metadata"]["annotations"][HASH]
    write(web, slow.replace("busybox", "busybox:1.36"))
    assert len(sandboxes(web)) == 1
    web.advance(29)
    assert web.get("pods", "web-node-2")["metadata"]["annotations"][HASH] == first
    web.advance(1)
    assert web.get("pods", "web-node-2")["metadata"]["annotations"][HASH] != first
    assert len(sandboxes(web)) == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("apiVersion: v1\nkind: Pod\nmetadata: [1\n", "web.yaml: couldn't parse as pod(yaml: line 3: did not find"),
        ("apiVersio: v1\nkind: Pod\n", "couldn't parse as pod(Object 'apiVersion' is missing in '{"),
        ("", "couldn't parse as pod(Object 'Kind' is missing in '{}'), please check config file"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n", 'err="invalid pod: [spec.containers: Required value]"'),
        (pod("web", more=", serviceAccountName: x"), 'err="static pods may not reference serviceaccounts"'),
        (pod("web", more=", volumes: [{name: v, configMap: {name: x}}]"), "may not reference configmaps"),
    ],
)
def test_a_file_that_is_no_pod_stands_in_the_kubelets_log_and_nowhere_else(text: str, says: str) -> None:
    web = cluster()
    write(web, text)
    assert names(web) == []
    assert '"Could not process manifest file"' in log(web)
    assert says in log(web)
    web.node("node-2").run("reboot")
    assert says in log(web)


def test_before_1_34_a_static_pod_may_name_what_only_the_api_has() -> None:
    web = cluster(kubernetes="1.33")
    write(web, pod("web", more=", volumes: [{name: v, configMap: {name: x, optional: true}}]"))
    assert names(web) == ["web-node-2"]


def test_hidden_files_are_not_read_and_backups_are() -> None:
    web = cluster()
    write(web, pod("one"), ".one.yaml.swp")
    write(web, pod("two"), "two.yaml.bak")
    assert names(web) == ["two-node-2"]


def test_a_static_pod_needs_no_api_server() -> None:
    web = cluster()
    node = web.node("node-2")
    node.run("iptables -I OUTPUT -p tcp --dport 6443 -j DROP")
    web.advance(10)
    write(web, pod("web"))
    assert names(web) == []
    assert len(sandboxes(web)) == 1
    node.run("iptables -D OUTPUT -p tcp --dport 6443 -j DROP")
    web.advance(10)
    assert web.get("pods", "web-node-2")["status"]["phase"] == "Running"
    assert len(sandboxes(web)) == 1


def test_a_static_pod_is_there_again_after_a_reboot_and_untouched_by_a_restarted_kubelet() -> None:
    web = cluster()
    write(web, pod("web"))
    before = sandboxes(web)
    web.node("node-2").run("systemctl restart kubelet")
    assert sandboxes(web) == before
    web.node("node-2").run("reboot")
    assert sandboxes(web) != before
    assert web.get("pods", "web-node-2")["status"]["phase"] == "Running"


def test_a_file_that_went_while_the_kubelet_was_stopped_is_missed_when_it_starts() -> None:
    web = cluster()
    write(web, pod("web"))
    node = web.node("node-2")
    node.run("systemctl stop kubelet")
    node.run(f"rm {FOLDER}/web.yaml")
    assert len(sandboxes(web)) == 1
    node.run("systemctl start kubelet")
    assert (names(web), sandboxes(web)) == ([], [])
