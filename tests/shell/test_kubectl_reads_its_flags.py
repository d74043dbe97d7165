"""A flag that kubectl takes is read by its command, refused with what to do instead, or says why it changes nothing."""

from __future__ import annotations

import ast
import re
import shlex
from functools import cache
from pathlib import Path

import pytest

from k8slearn import Cluster
from k8slearn.errors import CommandError
from k8slearn.shell import kubectl
from k8slearn.shell.kubectl.command import EVERYWHERE, Flag

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: c, image: nginx, ports: [{containerPort: 80}]}]}
"""
LINES = {
    "get": "get pods",
    "events": "events",
    "describe": "describe pod web",
    "apply": "apply -f -",
    "replace": "replace -f -",
    "patch": "patch pod web -p '{}'",
    "delete": "delete pod web",
    "label": "label pod web a=b",
    "annotate": "annotate pod web a=b",
    "taint": "taint node node-1 a=b:NoSchedule",
    "cordon": "cordon node-1",
    "uncordon": "uncordon node-1",
    "scale": "scale deployment shop --replicas=2",
    "set": "set image deployment/shop nginx=nginx:1.29",
    "run": "run other --image=nginx",
    "expose": "expose deployment shop --port=80",
    "create": "create deployment other --image=nginx",
    "exec": "exec web -- hostname",
    "logs": "logs web",
    "wait": "wait pod web --for=condition=Ready",
    "rollout": "rollout status deployment/shop",
    "port-forward": "port-forward web 80",
    "version": "version",
    "cluster-info": "cluster-info",
    "api-resources": "api-resources",
    "api-versions": "api-versions",
}
TAKEN = [
    pytest.param(command, name, flag, id=f"{command} --{name}")
    for command, told in kubectl.COMMANDS.items()
    for name, flag in {**EVERYWHERE, **told.flags}.items()
    if not flag.idle
]


@cache
def looked_up() -> set[str]:
    """Every text in kubectl's modules that is not merely the name under which a flag is declared."""
    found: list[str] = []
    for path in Path(kubectl.__file__).parent.rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        keys = {id(key) for node in nodes if isinstance(node, ast.Dict) for key in node.keys}
        found += [
            n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str) and id(n) not in keys
        ]
    return set(found)


@pytest.mark.parametrize(("command", "name", "flag"), [row for row in TAKEN if not row.values[2].instead])
def test_a_flag_that_is_taken_is_read(command: str, name: str, flag: Flag) -> None:
    assert name in looked_up(), f"kubectl {command} takes --{name} and does not look at it"


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    made = Cluster(nodes=1)
    made.apply(POD)
    made.kubectl("create deployment shop --image=nginx")
    return made


@pytest.mark.parametrize(("command", "name", "flag"), [row for row in TAKEN if row.values[2].instead])
def test_a_flag_that_is_not_modelled_is_refused_with_what_to_do(
    cluster: Cluster, command: str, name: str, flag: Flag
) -> None:
    before = cluster.journal.revision
    first, *rest = shlex.split(LINES[command])
    value = "x" if flag.takes else "false" if flag.default == "true" else "true"
    value = "false" if flag.taken else value
    with pytest.raises(CommandError, match=f"--{name}.* is not modelled: {re.escape(flag.instead)}"):
        cluster.kubectl(shlex.join([first, f"--{name}={value}", *rest]), stdin=POD)
    assert cluster.journal.revision == before


def test_a_warning_can_be_an_error(cluster: Cluster) -> None:
    with pytest.raises(CommandError, match="error: 1 warning received"):
        cluster.kubectl("delete pod web --force --dry-run=server --warnings-as-errors")


def test_a_page_can_be_without_its_events(cluster: Cluster) -> None:
    assert "Events:" in cluster.kubectl("describe pod web")
    assert "Events:" not in cluster.kubectl("describe pod web --show-events=false")


def test_a_patch_can_stand_in_a_file(cluster: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "patch.yaml"
    path.write_text("metadata: {labels: {tier: front}}")
    assert cluster.kubectl(f"patch pod web --patch-file {path}") == "pod/web patched\n"
    assert cluster.get("pod", "web")["metadata"]["labels"]["tier"] == "front"


def test_what_is_created_can_keep_its_text_for_the_next_apply(cluster: Cluster) -> None:
    text = "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}"
    cluster.kubectl("create -f - --save-config", stdin=text)
    assert cluster.kubectl("apply -f -", stdin=text) == "namespace/shop unchanged\n"
