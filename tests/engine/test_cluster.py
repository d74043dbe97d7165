"""The facade: what people hold in their hands, and what it does with whatever they type."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from k8slearn import Cluster, manifests
from k8slearn.errors import CommandError, Refused

from .given import DEPLOYMENT, SERVICE, names, pod, same, sentence


def test_a_manifest_may_be_text_a_path_a_dict_or_a_list_of_dicts(tmp_path: Path) -> None:
    path = tmp_path / "web.yaml"
    path.write_text(DEPLOYMENT + "---" + SERVICE, encoding="utf-8")
    objects = list(yaml.safe_load_all(DEPLOYMENT + "---" + SERVICE))
    for source in (
        path.read_text(encoding="utf-8"),
        path,
        objects,
        {"apiVersion": "v1", "kind": "List", "items": objects},
    ):
        cluster = Cluster(nodes=1)
        assert [obj["kind"] for obj in cluster.apply(source)] == ["Deployment", "Service"]
        assert len(names(cluster)) == 3


def test_apply_returns_the_objects_as_they_are_when_the_cluster_is_at_rest() -> None:
    cluster = Cluster(nodes=1)
    (web,) = cluster.apply(pod("web"))
    assert web["status"]["podIP"] == "10.244.0.2"
    assert web == cluster.get("pod", "web")


def test_what_one_gets_is_a_copy() -> None:
    cluster, other = Cluster(nodes=1), Cluster(nodes=1)
    cluster.apply(pod("web"))
    other.apply(pod("web"))
    cluster.get("pod", "web")["spec"]["containers"].clear()
    cluster.get("pods")[0]["metadata"]["labels"] = {"app": "spoiled"}
    assert same(cluster, other)


def test_objects_are_found_by_any_name_of_their_kind() -> None:
    cluster = Cluster(nodes=1)
    cluster.apply(DEPLOYMENT, namespace="kube-system")
    assert len(cluster.get("po", namespace="kube-system")) == len(cluster.get("Pod", namespace=None)) == 3
    assert cluster.get("pods") == []
    assert cluster.get("deploy", "web", namespace="kube-system")["kind"] == "Deployment"
    assert cluster.get("node", "node-1")["kind"] == "Node"


@pytest.mark.parametrize(
    ("question", "says"),
    [
        (lambda c: c.get("pod", "web"), 'pods "web" not found'),
        (lambda c: c.get("gadgets"), "gadgets"),
        (lambda c: c.get(5), "resource is text, not 5"),
        (lambda c: c.delete("pod", "web"), 'pods "web" not found'),
        (lambda c: c.delete("pod", None), "name is text, not None"),
        (lambda c: c.pod("web"), 'pods "web" not found'),
        (lambda c: c.node("node-9"), "did you mean node:node-1"),
        (lambda c: c.apply(""), "no objects"),
        (lambda c: c.apply("a: [b"), ""),
        (lambda c: c.apply(None), ""),
        (lambda c: c.apply({"kind": {1, 2}}), "this is no manifest"),
        (lambda c: c.apply(pod("web"), namespace=3), "namespace is text"),
        (lambda c: c.apply(pod("web"), namespace="nowhere"), "nowhere"),
        (lambda c: c.apply(Path("no/such/file.yaml")), "no/such/file.yaml"),
        (lambda c: c.apply("apiVersion: v1\nkind: Gadget\nmetadata: {name: x}\n"), "Gadget"),
        (lambda c: c.node("node-1").run(5), "command is text"),
        (lambda c: c.node("node-1").run("true", env={"A": 5}), "A is text"),
        (lambda c: c.export("mars"), "mars"),
        (lambda c: c.at(10**9), "there is no revision"),
        (lambda c: c.at(0), "there is no revision 0"),
        (lambda c: c.at("x"), "there is no revision 'x'"),
        (lambda c: c.compare(["bridge", "weave"], "node:node-1", "outside"), "there is no network"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_nothing_is_lost(question: Any, says: str) -> None:
    cluster = Cluster(nodes=1)
    with pytest.raises(Refused) as refused:
        question(cluster)
    assert says in str(refused.value)
    assert same(cluster, Cluster(nodes=1))


@settings(max_examples=100, deadline=None)
@given(
    st.one_of(
        st.text(max_size=200), st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=5))
    )
)
def test_whatever_is_applied_there_is_an_answer_or_a_sentence(source: Any) -> None:
    cluster = Cluster(nodes=1)
    assert sentence(lambda: cluster.apply(source))
    assert same(cluster, Cluster(nodes=1))


def test_a_container_is_somewhere_to_run_a_command_and_must_exist() -> None:
    cluster = Cluster(nodes=1)
    cluster.apply(pod("web"))
    assert cluster.pod("web", container="c").run("ip -4 addr show eth0").stdout.count("10.244.0.2/24") == 1
    assert cluster.pod("web").run("ip route", container="c").exit_code == 0
    with pytest.raises(Refused, match="container sidecar is not valid for pod default/web: it has c"):
        cluster.pod("web").run("ip route", container="sidecar")


def test_kubectl_prints_its_text_and_a_failure_is_an_error_with_its_words() -> None:
    cluster = Cluster(nodes=1)
    assert cluster.kubectl("get nodes").splitlines()[0].split()[:2] == ["NAME", "STATUS"]
    with pytest.raises(CommandError) as failed:
        cluster.kubectl("get pod nosuch")
    assert failed.value.exit_code == 1
    assert failed.value.stderr == 'Error from server (NotFound): pods "nosuch" not found\n'


def test_kubectl_reads_a_file_of_ones_own_computer_and_the_journal_keeps_its_text(tmp_path: Path) -> None:
    path = tmp_path / "web.yaml"
    path.write_text(DEPLOYMENT, encoding="utf-8")
    cluster = Cluster(nodes=1)
    assert cluster.kubectl(f"apply -f {path}") == "deployment.apps/web created\n"
    path.unlink()
    other = Cluster(nodes=1)
    other.engine.replay((entry.kind, entry.arguments) for entry in cluster.engine.inputs())
    assert same(cluster, other)
    with pytest.raises(Refused, match=r"web\.yaml"):
        cluster.kubectl(f"apply -f {path}")


def test_a_trace_that_was_undone_says_so_and_an_older_one_answers_as_of_then() -> None:
    cluster = Cluster(nodes=2)
    before = cluster.trace("node:node-1", "node:node-2", 22)
    sent = cluster.send("node:node-1", "outside")
    cluster.node("node-1").run("ip link set eth0 down")
    assert [fate.outcome for fate in before.fates()] == ["connected"]
    assert [fate.outcome for fate in sent.fates()] == ["connected"]
    cluster.undo()
    cluster.undo()
    with pytest.raises(Refused, match="has been undone"):
        sent.fates()
    assert before.to_dict()["fates"][0]["outcome"] == "connected"


def test_a_trace_says_of_each_deciding_row_who_wrote_it() -> None:
    cluster = Cluster(nodes=2)
    cluster.node("node-1").run("ip route replace blackhole 192.168.64.0/24")
    steps = cluster.trace("node:node-1", "node:node-2", 22).to_dict()["steps"]
    why = steps[-1]["because"]
    assert why is None or why["author"] == "ip"


def test_sending_is_remembered_and_each_connection_has_a_port_of_its_own() -> None:
    cluster = Cluster(nodes=2)
    ports = {cluster.send("node:node-1", "node:node-2", 22).legs[0].steps[0].after.sport for _ in range(5)}
    assert len(ports) == 5
    assert len(cluster.world.table("node:node-1", "neigh")) == 1


def test_a_cluster_shows_itself_in_one_line_of_text() -> None:
    assert repr(Cluster(nodes=2)).startswith("<Cluster: 2 nodes, 0 pods, network 'bridge', Kubernetes 1.37, revision ")


def test_a_dump_of_a_real_cluster_becomes_one_like_it(tmp_path: Path) -> None:
    real = Cluster(nodes={"alpha": "172.20.0.5", "beta": "172.20.0.6"}, node_cidr="172.20.0.0/24")
    real.apply(DEPLOYMENT + "---" + SERVICE + "---\n" + pod("lone", "beta"))
    items = [
        row
        for kind in ("nodes", "pods", "services", "deployments", "replicasets")
        for row in real.get(kind, namespace=None)
    ]
    path = tmp_path / "dump.yaml"
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": items}), encoding="utf-8")
    like = Cluster.from_manifests(path)
    assert like.settings.nodes == real.settings.nodes
    assert len(names(like)) == 4
    assert like.trace("default/lone", "svc:default/web").outcome == "connected"


def test_importing_the_package_is_quick_and_brings_no_picture_and_no_server() -> None:
    heavy = "matplotlib networkx ipywidgets anywidget IPython aiohttp numpy"
    code = f"import k8slearn, sys; k8slearn.Cluster(nodes=1); print([m for m in '{heavy}'.split() if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_plugin_that_was_applied_by_hand_stays_with_its_own_wiring() -> None:
    cluster = Cluster(nodes=2, network=None)
    cluster.apply(manifests.text("flannel"))
    for name, node in (("client", "node-1"), ("far", "node-2")):
        chosen = json.dumps({"spec": {"nodeName": node}})
        cluster.kubectl(f"run {name} --image=nginx --overrides='{chosen}'")
    both = cluster.compare(["flannel", "calico"], "default/client", "default/far")
    assert "flannel.1" not in both.clusters["calico"].node("node-1").run("ip route").stdout
    assert "that nobody translates between pods, holds" in (said := both.text())
    assert "calico: the manifest of a network plugin was passed over" in said


def test_a_pod_is_run_with_what_was_told_besides() -> None:
    cluster = Cluster(nodes=3)
    for number in range(3):
        chosen = '{"spec": {"nodeName": "node-2", "hostNetwork": true}}'
        cluster.kubectl(f"run web-{number} --image=busybox --annotations=by=hand --overrides='{chosen}'")
    pods = cluster.get("pods")
    assert {pod["spec"]["nodeName"] for pod in pods} == {"node-2"}
    assert {pod["status"]["podIP"] for pod in pods} == {"192.168.64.12"}
    assert pods[0]["metadata"]["annotations"] == {"by": "hand"}
