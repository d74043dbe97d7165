"""The Gateway API's own conformance tests: the same manifests, the same requests, the same answers.

Not recorded: https listeners, gRPC frames, retries, time-outs, mirrors, web sockets, changes of answers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from k8slearn import Cluster, manifests
from k8slearn.answer import Answer
from k8slearn.linux import http

TRUTH = json.loads((Path(__file__).parent / "gateway_conformance.json").read_text())
INFRA = "gateway-conformance-infra"
CLASS = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "GatewayClass",
    "metadata": {"name": "eg"},
    "spec": {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"},
}
Obj = dict[str, Any]


def backend(namespace: str, name: str) -> list[Obj]:
    container = {"name": "echo", "image": "agnhost", "args": ["netexec", "--http-port=3000"]}
    meta, labels = {"name": name, "namespace": namespace}, {"app": name}
    ports = [{"name": "first-port", "port": 8080, "targetPort": 3000}]
    pod = {"metadata": {**meta, "labels": labels}, "spec": {"containers": [container]}}
    service = {"metadata": meta, "spec": {"selector": labels, "ports": ports}}
    return [{"apiVersion": "v1", "kind": "Pod", **pod}, {"apiVersion": "v1", "kind": "Service", **service}]


@pytest.fixture(scope="module")
def base() -> Cluster:
    cluster = Cluster(nodes=1)
    cluster.apply(manifests.addon("envoy-gateway"))
    cluster.apply([CLASS, *TRUTH["base"]])
    cluster.apply([obj for namespace, name in TRUTH["services"] for obj in backend(namespace, name)])
    return cluster


def asked(cluster: Cluster, gateway: str, case: Obj) -> Answer:
    service = cluster.kubectl(
        f"get svc -n envoy-gateway-system -l gateway.envoyproxy.io/owning-gateway-name={gateway} -o name"
    )
    to = f"svc:envoy-gateway-system/{service.strip().removeprefix('service/')}:{case.get('port', 80)}"
    headers = {**case.get("headers", {}), **({"Host": case["host"]} if "host" in case else {})}
    return cluster.request("node:node-1", f"http://example.net{case['path']}", to, case.get("method", "GET"), headers)


def sent(answer: Answer) -> http.Request:
    """What the backend was sent."""
    assert answer.second is not None
    step = next(leg for leg in answer.second.legs if leg.name == "request").steps[0]
    return http.parse(step.before.payload)


@pytest.mark.parametrize("test", TRUTH["tests"], ids=lambda test: str(test["test"]))
def test_the_gateway_api_is_conformed_to(base: Cluster, test: Obj) -> None:
    cluster = base.at(base.journal.revision)
    cluster.apply(test["objects"])
    for case in test["cases"]:
        if "deleted" in case:
            cluster.delete(*case["deleted"])
        answer = asked(cluster, case.get("gateway", test["gateway"]), case)
        said = f"{test['source']}:{case['line']}"
        assert answer.status == case["status"], f"{said} {answer}"
        if "backend" in case and answer.status == 200:
            assert answer.answered_by == f"{case['namespace']}/{case['backend']}", f"{said} {answer}"
        if "seen" in case:
            seen = sent(answer)
            assert seen.target == case["seen"].get("path", case["path"]), f"{said} {answer}"
            assert seen.host == case["seen"].get("host", case.get("host", "example.net")), f"{said} {answer}"
            for name, value in case["seen"].get("headers", {}).items():
                assert seen.header(name) == value, f"{said} {answer}"
            assert [name for name in case.get("absent", ()) if seen.header(name) is not None] == [], f"{said} {answer}"
        if "location" in case:
            to = urlsplit(answer.location)
            found = {"scheme": to.scheme, "host": to.hostname, "path": to.path, "port": str(to.port or "")}
            assert {name: found[name] for name in case["location"]} == case["location"], f"{said} {answer}"
    status = conditions(cluster, test)
    assert {tuple(wanted) for wanted in test["conditions"]} <= status
    if test["no_routes"]:
        gateway = cluster.get("gateway", test["gateway"], INFRA)
        assert [one["attachedRoutes"] for one in gateway["status"]["listeners"]] == [0]


def conditions(cluster: Cluster, test: Obj) -> set[tuple[str, str, str]]:
    routes = [cluster.get("httproutes", obj["metadata"]["name"], obj["metadata"]["namespace"])
              for obj in test["objects"] if obj["kind"] == "HTTPRoute"]  # fmt: skip
    return {
        (one["type"], one["status"], one["reason"])
        for route in routes
        for parent in route.get("status", {}).get("parents", ())
        for one in parent["conditions"]
    }
