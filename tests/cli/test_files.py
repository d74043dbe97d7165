"""Plain YAML and dumps of real clusters as a cluster: what files, folders and pipes mean, and what is said of them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from k8slearn import Cluster
from k8slearn.cli import main

KIND = Path(__file__).with_name("kind.yaml")
Said = Callable[..., tuple[int, str, str]]
POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {space}}}
spec: {{containers: [{{name: c, image: nginx}}]}}
---
"""


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Said:
    """(exit status, standard output, standard error) of a command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        try:
            status = main(arguments)
        except SystemExit as end:
            status = int(end.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return run


def pods(found: str) -> list[str]:
    return list(json.loads(found)["pods"])


def test_a_dump_keeps_its_pods_with_their_names_nodes_and_addresses(said: Said) -> None:
    status, out, err = said("matrix", str(KIND), "-o", "json")
    assert (status, pods(out)) == (0, ["default/client", "shop/web-6c8b7d9f5b-4xkzq", "shop/web-6c8b7d9f5b-z9m2t"])
    assert err == "note: nothing here knows the kind Certificate (cert-manager.io/v1): 1 left out\n"
    with pytest.warns(UserWarning, match="Certificate"):
        cluster = Cluster.from_manifests(KIND)
    pod = cluster.get("pods", "web-6c8b7d9f5b-z9m2t", "shop")
    assert (pod["status"]["podIP"], pod["spec"]["nodeName"]) == ("10.244.1.9", "kind-worker")
    assert cluster.get("services", "web", "shop")["spec"]["clusterIP"] == "10.43.12.34"
    assert cluster.get("nodes", "kind-worker")["metadata"]["labels"]["topology.kubernetes.io/zone"] == "a"
    settings = cluster.settings
    assert (settings.network, settings.kubernetes, settings.service_cidr) == ("ptp", "1.33", "10.43.0.0/16")
    assert [name for name, _ in settings.nodes] == ["kind-control-plane", "kind-worker"]


def test_the_controllers_of_a_dump_adopt_what_is_theirs_and_make_nothing_anew() -> None:
    with pytest.warns(UserWarning, match="Certificate"):
        cluster = Cluster.from_manifests(KIND)
    assert [rs["metadata"]["name"] for rs in cluster.get("replicasets", namespace="shop")] == ["web-6c8b7d9f5b"]
    assert len(cluster.get("pods", namespace="shop")) == 2
    cluster.delete("pod", "web-6c8b7d9f5b-4xkzq", "shop")
    names = [pod["metadata"]["name"] for pod in cluster.get("pods", namespace="shop")]
    assert "web-6c8b7d9f5b-z9m2t" in names
    assert len(names) == 2
    cluster.delete("deployment", "web", "shop")
    cluster.advance(60)
    assert not cluster.get("pods", namespace="shop")


def test_pods_alone_say_which_nodes_there_are(said: Said, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Certificate"):
        own = Cluster.from_manifests(KIND).get("pods", namespace=None)
    (tmp_path / "pods.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": own}))
    cluster = Cluster.from_manifests(tmp_path / "pods.json")
    assert [name for name, _ in cluster.settings.nodes] == ["kind-control-plane", "kind-worker"]
    assert cluster.get("pods", "client")["status"]["podIP"] == "10.244.0.5"
    assert said("trace", "pods.json", "--from", "default/client", "--to", "shop/web-6c8b7d9f5b-z9m2t")[0] == 0


def test_a_file_a_folder_a_pattern_and_a_pipe_are_one_cluster(said: Said, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "b.yml").write_text(POD.format(name="b", space="default"))
    (tmp_path / "more" / "README.md").write_text("nothing")
    (tmp_path / "p1.yaml").write_text(POD.format(name="p1", space="default"))
    (tmp_path / "a.json").write_text(json.dumps(Cluster(nodes=1).get("namespaces", "default", namespace=None)))
    text = POD.format(name="c", space="default")
    status, out, err = said("matrix", "a.json", "more", "p?.yaml", "-", "-o", "json", stdin=text)
    assert (status, pods(out), err) == (0, ["default/b", "default/c", "default/p1"], "")


def test_nodes_and_network_are_asked_for(said: Said, tmp_path: Path) -> None:
    text = POD.format(name="a", space="default")
    status, out, _ = said("trace", "-", "--from", "node:node-4", "--to", "default/a", "--nodes", "4", stdin=text)
    assert (status, "connected" in out) == (0, True)
    out = said("export", "-", "--to", "manifests", "--network", "calico", stdin=text)[1]
    assert '"network": "calico"' in out.splitlines()[2]


def test_a_namespace_that_nobody_makes_is_made_and_told(said: Said) -> None:
    status, out, err = said("matrix", "-", "-o", "json", stdin=POD.format(name="a", space="shop"))
    assert (status, pods(out)) == (0, ["shop/a"])
    assert err == "note: no Namespace object makes shop: it is made here, where kubectl would refuse\n"


def test_policies_that_nobody_enforces_are_told(said: Said) -> None:
    deny = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny}\nspec: {podSelector: {}}\n"
    text = POD.format(name="a", space="default") + deny
    assert "nobody enforces NetworkPolicies under the network 'bridge'" in said("matrix", "-", stdin=text)[2]
    assert said("matrix", "-", "--network", "calico", stdin=text)[::2] == (0, "")


def test_a_pod_that_does_not_start_is_told_with_the_reason(said: Said) -> None:
    mounts = "volumeMounts: [{name: v, mountPath: /v}]}], volumes: [{name: v, secret: {secretName: none-such}}]"
    waits = POD.format(name="b", space="default").replace("nginx}]", f"nginx, {mounts}")
    status, _, err = said("matrix", "-", stdin=POD.format(name="a", space="default") + waits)
    assert status == 0
    assert 'default/b has no address and is not in the matrix: MountVolume.SetUp failed for volume "v"' in err


SLICE = """
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {ports: [{port: 5432}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-1, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
endpoints: [{addresses: [192.168.64.12]}]
ports: [{port: 6443}]
---
"""


def test_slices_that_a_person_wrote_are_applied(said: Said) -> None:
    text = SLICE + POD.format(name="a", space="default")
    status, out, _ = said("trace", "-", "--from", "default/a", "--to", "svc:default/db", "--port", "5432", stdin=text)
    assert (status, "192.168.64.12" in out) == (1, True)


HEAD = "apiVersion: v1\nkind: {kind}\nmetadata: {{name: a}}\n"
WRONG: dict[str, tuple[str, str]] = {
    "a typo in the YAML: file and line": (
        "apiVersion: v1\nkind: Pod\n x: y\n",
        "bad.yaml: error parsing the YAML: line",
    ),
    "a misspelt kind": (
        HEAD.format(kind="Pdo"),
        'bad.yaml: error: resource mapping not found for name: "a" namespace: "" from "bad.yaml": no matches for kind '
        '"Pdo" in version "v1"',
    ),
    "a misspelt field": (
        HEAD.format(kind="Pod") + "spec: {contaners: []}\n",
        'bad.yaml: Error from server (BadRequest): Pod in version "v1" cannot be handled as a Pod: strict decoding '
        'error: unknown field "spec.contaners"',
    ),
    "a wrong value": (
        POD.format(name="a", space="default").replace("nginx", "''"),
        'bad.yaml: The Pod "a" is invalid: spec.containers[0].image: Required value',
    ),
    "nothing": ("", "bad.yaml is empty"),
    "no pods": (HEAD.format(kind="Namespace"), "there are no pods in these manifests"),
    "an address that is none": (HEAD.format(kind="Node") + "spec: {podCIDR: 300.1.1.0/24}\n", "cannot be read"),
}


@pytest.mark.parametrize("what", WRONG)
def test_bad_input_is_one_sentence_and_2(said: Said, tmp_path: Path, what: str) -> None:
    text, says = WRONG[what]
    (tmp_path / "bad.yaml").write_text(text)
    (tmp_path / "good.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm}\n")
    status, out, err = said("matrix", "good.yaml", "bad.yaml")
    assert (status, out) == (2, "")
    assert says in err
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("k8slearn matrix: ")


def test_the_dumps_of_two_clusters_are_refused(said: Said, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(KIND.read_text().replace("000000000001", "0000000000aa"))
    status, _, err = said("matrix", str(KIND), "other.yaml")
    assert status == 2
    assert "Node kind-control-plane is there twice with different uids: these are the dumps of two clusters" in err
    assert said("matrix", str(KIND), str(KIND))[0] == 0


@pytest.mark.parametrize(
    ("source", "near"),
    [("shop/web", "shop/web-6c8b7d9f5b-4xkzq"), ("client", "default/client"), ("node:kind-workr", "node:kind-worker")],
)
def test_a_wrong_endpoint_is_told_the_nearest(said: Said, source: str, near: str) -> None:
    status, _, err = said("trace", str(KIND), "--from", source, "--to", "svc:shop/web")
    assert (status, f"did you mean {near}" in err) == (2, True)
