"""What the API server warns of, as kubectl prints it; the sentences are those of pkg/api/service/warnings.go."""

from __future__ import annotations

import pytest

from k8slearn import Cluster
from k8slearn.api import warnings

CASES = [
    (
        {"externalIPs": ["192.168.64.200"]},
        ["spec.externalIPs is deprecated and may no longer be implemented in some clusters"],
    ),
    (
        {"clusterIP": "None", "externalIPs": ["192.168.64.200"], "sessionAffinity": "ClientIP"},
        ["spec.externalIPs is ignored for headless services", "spec.SessionAffinity is ignored for headless services"],
    ),
    ({"externalName": "example.com"}, ['spec.externalName is ignored when spec.type is not "ExternalName"']),
    (
        {"type": "ExternalName", "externalName": "example.com", "externalIPs": ["192.168.64.200"]},
        ['spec.externalIPs is ignored when spec.type is "ExternalName"'],
    ),
    (
        {"trafficDistribution": "PreferClose"},
        ['spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'],
    ),
    ({"type": "LoadBalancer"}, []),
]


@pytest.mark.parametrize(("spec", "said"), CASES)
def test_a_service_is_warned_of_in_the_servers_words(spec: dict[str, object], said: list[str]) -> None:
    assert warnings({"kind": "Service", "metadata": {"name": "s"}, "spec": spec}) == said


def test_kubectl_prints_a_warning_and_the_object_is_stored() -> None:
    cluster = Cluster(nodes=1)
    spec = "{externalIPs: [192.168.64.200], ports: [{port: 80}]}"
    text = f"{{apiVersion: v1, kind: Service, metadata: {{name: s}}, spec: {spec}}}"
    done = cluster.node("node-1").run("kubectl apply -f -", stdin=text)
    warned = "Warning: spec.externalIPs is deprecated and may no longer be implemented in some clusters\n"
    assert (done.stdout, done.stderr, done.exit_code) == ("service/s created\n", warned, 0)
    done = cluster.node("node-1").run('kubectl patch service s -p \'{"metadata":{"labels":{"a":"b"}}}\'')
    assert (done.stdout, done.stderr) == ("service/s patched\n", warned)
