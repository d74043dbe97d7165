"""Gateways: who listens where, whose routes are taken, and what an Envoy of its own does with them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from k8slearn import Cluster, manifests
from k8slearn.answer import Answer
from k8slearn.errors import CommandError, Refused

API = "apiVersion: gateway.networking.k8s.io/v1\n"
CLASS = API + "kind: GatewayClass\nmetadata: {name: eg}\n"
CLASS += "spec: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}\n"
GATEWAY = (
    API
    + """kind: Gateway
metadata: {name: eg}
spec:
  gatewayClassName: eg
  listeners:
  - {name: http, port: 80, protocol: HTTP}
  - name: https
    port: 443
    protocol: HTTPS
    hostname: "*.example"
    tls: {certificateRefs: [{name: cert}]}
  - name: sealed
    port: 443
    protocol: TLS
    hostname: db.sealed
    tls: {mode: Passthrough}
  - {name: redis, port: 6379, protocol: TCP}
"""
)
ROUTE = (
    API
    + """kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: eg}]
  hostnames: [shop.example]
  rules:
  - matches: [{path: {value: /cart}}]
    backendRefs: [{name: v1, port: 80, weight: 90}, {name: v2, port: 80, weight: 10}]
"""
)
SERVICE = "svc:envoy-gateway-system/envoy-default-eg-e41e7b31"
Obj = dict[str, Any]


def cluster_with(*more: str, network: str = "bridge") -> Cluster:
    cluster = Cluster(nodes=2, network=network)
    cluster.apply(manifests.addon("envoy-gateway"))
    cluster.kubectl("create secret generic cert --from-literal=tls.crt=a")
    for name in ("v1", "v2"):
        cluster.kubectl(f"run {name} --image=nginx --port=80 --labels=app={name}")
        cluster.kubectl(f"expose pod {name} --port=80")
    for text in (CLASS, GATEWAY, *more):
        cluster.apply(text)
    return cluster


def ask(cluster: Cluster, url: str, port: int = 80, **more: Any) -> Answer:
    return cluster.request("node:node-1", url, f"{SERVICE}:{port}", **more)


def parent(cluster: Cluster, kind: str, name: str, namespace: str = "default") -> dict[str, tuple[str, str]]:
    """The conditions of a route's first parent: type -> (status, reason)."""
    told = cluster.get(kind, name, namespace)["status"]["parents"][0]["conditions"]
    return {one["type"]: (one["status"], one["reason"]) for one in told}


@pytest.fixture(scope="module")
def shop() -> Cluster:
    return cluster_with(ROUTE)


def test_without_the_definitions_nobody_knows_a_gateway() -> None:
    with pytest.raises(Refused, match=r'no matches for kind "Gateway" in version "gateway.networking.k8s.io/v1"'):
        Cluster(nodes=1).apply(GATEWAY)


def test_each_gateway_has_an_envoy_of_its_own_and_waits_for_an_address(shop: Cluster) -> None:
    rows = shop.kubectl("get gateway").splitlines()
    assert rows[0].split() == ["NAME", "CLASS", "ADDRESS", "PROGRAMMED", "AGE"]
    assert rows[1].split()[:3] == ["eg", "eg", "False"]
    assert "No addresses have been assigned to the Gateway" in shop.kubectl("describe gateway eg")
    assert shop.kubectl("get httproute").splitlines()[1].split()[:2] == ["shop", '["shop.example"]']
    given = shop.at(shop.journal.revision)
    given.kubectl('patch svc envoy-default-eg-e41e7b31 -n envoy-gateway-system -p \'{"spec":{"externalIPs":[]}}\'')
    given.apply(manifests.addon("metallb"))
    pool = {"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "spec": {"addresses": ["192.168.64.240/32"]}}
    given.apply({**pool, "metadata": {"name": "pool", "namespace": "metallb-system"}})
    assert given.kubectl("get gateway").splitlines()[1].split()[:4] == ["eg", "eg", "192.168.64.240", "True"]


def test_weights_are_exact_and_the_backend_sees_envoy(shop: Cluster) -> None:
    found = ask(shop, "http://shop.example/cart/1")
    assert found.status == 200
    assert {(str(f.probability), f.answered_by) for f in found.fates()} == {
        ("9/10", "default/v1"),
        ("1/10", "default/v2"),
    }
    envoy = next(
        p for p in shop.get("pods", namespace="envoy-gateway-system") if p["metadata"]["name"].startswith("envoy-d")
    )
    assert found.source_seen == envoy["status"]["podIP"]
    assert "HTTPRoute default/shop spec.rules[0].matches[0]: taken" in found.explain()
    missed = ask(shop, "http://shop.example/carts")
    assert (missed.status, missed.body) == (404, "")
    assert "ask for the path /cart" in missed.explain()


def test_tls_ends_at_the_listener_whose_name_the_client_says(shop: Cluster) -> None:
    assert ask(shop, "https://shop.example/cart", 443).status == 200
    nobody = ask(shop, "https://shop.other/cart", 443)
    assert (nobody.outcome, nobody.status) == ("unreachable", 0)
    assert nobody.served[0].status == "hung up"
    assert ask(shop, "http://shop.example/cart", 443).status == 400


def test_a_listener_without_its_certificate_is_not_programmed() -> None:
    cluster = cluster_with(ROUTE)
    cluster.kubectl("delete secret cert")
    listener = cluster.get("gateway", "eg")["status"]["listeners"][1]
    told = {one["type"]: (one["status"], one["reason"]) for one in listener["conditions"]}
    assert told["ResolvedRefs"] == ("False", "InvalidCertificateRef")
    assert told["Programmed"] == ("False", "Invalid")
    assert ask(cluster, "https://shop.example/cart", 443).outcome == "unreachable"
    assert ask(cluster, "http://shop.example/cart").status == 200


def test_a_tls_route_sees_the_server_name_and_not_the_path() -> None:
    cluster = cluster_with(
        API + "kind: TLSRoute\nmetadata: {name: db}\nspec:\n  parentRefs: [{name: eg}]\n  hostnames: [db.sealed]\n"
        "  rules: [{backendRefs: [{name: sealed, port: 443}]}]\n"
    )
    cluster.kubectl("run sealed --image=nginx --port=443")
    cluster.kubectl("expose pod sealed --port=443")
    found = ask(cluster, "https://db.sealed/whatever", 443)
    assert (found.status, found.answered_by) == (200, "default/sealed")
    assert found.served[0].status == "passed on"
    assert "TLSRoute default/db" in found.served[0].chosen


def test_a_tcp_route_goes_by_the_port() -> None:
    cluster = cluster_with(
        API + "kind: TCPRoute\nmetadata: {name: redis}\nspec:\n  parentRefs: [{name: eg, sectionName: redis}]\n"
        "  rules: [{backendRefs: [{name: v1, port: 80}]}]\n"
    )
    found = ask(cluster, "http://any/thing", 6379)
    assert (found.status, found.answered_by) == (200, "default/v1")
    cluster.kubectl("delete pod v1")
    found = ask(cluster, "http://any/thing", 6379)
    assert (found.outcome, found.served[0].status) == ("unreachable", "hung up")


def test_a_grpc_call_is_a_post_of_a_path() -> None:
    cluster = cluster_with(
        API + "kind: GRPCRoute\nmetadata: {name: calls}\nspec:\n  parentRefs: [{name: eg}]\n  rules:\n"
        "  - {matches: [{method: {service: shop.Cart, method: Add}}], backendRefs: [{name: v1, port: 80}]}\n"
        "  - {matches: [{method: {service: shop.Cart}}], backendRefs: [{name: v2, port: 80}]}\n"
    )
    assert ask(cluster, "http://shop.example/shop.Cart/Add", method="POST").answered_by == "default/v1"
    assert ask(cluster, "http://shop.example/shop.Cart/Drop", method="POST").answered_by == "default/v2"
    assert ask(cluster, "http://shop.example/shop.Other/Add", method="POST").status == 404
    assert "its method is POST" in str(ask(cluster, "http://shop.example/shop.Cart/Add"))


def test_another_namespace_has_to_grant_the_reference() -> None:
    cluster = cluster_with(ROUTE.replace("name: v1, port: 80, weight: 90", "name: v1, port: 80, namespace: other"))
    cluster.kubectl("create namespace other")
    cluster.kubectl("run v1 -n other --image=nginx --port=80")
    cluster.kubectl("expose pod v1 -n other --port=80")
    assert parent(cluster, "httproute", "shop")["ResolvedRefs"] == ("False", "RefNotPermitted")
    fates = {(str(f.probability), f.status) for f in ask(cluster, "http://shop.example/cart").fates()}
    assert fates == {("10/11", "200 OK"), ("1/11", "500 Internal Server Error")}, "its share is answered with 500"
    alone = cluster.at(cluster.journal.revision)
    alone.apply(
        ROUTE.replace("name: v1, port: 80, weight: 90", "name: v1, port: 80, namespace: other, weight: 1").replace(
            "10}", "0}"
        )
    )
    assert (
        "a ReferenceGrant in the namespace other that lets HTTPRoute objects of default"
        in ask(alone, "http://shop.example/cart").explain()
    )
    grant = {"from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "default"}]}
    spec = {**grant, "to": [{"group": "", "kind": "Service", "name": "v1"}]}
    named = {"apiVersion": "gateway.networking.k8s.io/v1beta1", "kind": "ReferenceGrant"}
    cluster.apply({**named, "metadata": {"name": "in", "namespace": "other"}, "spec": spec})
    assert parent(cluster, "httproute", "shop")["ResolvedRefs"] == ("True", "ResolvedRefs")
    assert {f.status for f in ask(cluster, "http://shop.example/cart").fates()} == {"200 OK"}


def test_a_listener_says_whose_routes_it_takes() -> None:
    cluster = cluster_with()
    cluster.kubectl("create namespace team")
    route = json.loads(json.dumps(cluster.apply(ROUTE)[0]))
    there = {**route, "metadata": {"name": "shop", "namespace": "team"}}
    there["spec"]["parentRefs"][0]["namespace"] = "default"
    there.pop("status", None)
    cluster.apply(there)
    assert parent(cluster, "httproute", "shop", "team")["Accepted"] == ("False", "NotAllowedByListeners")
    selector = "allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {gate: open}}}}"
    cluster.apply(GATEWAY.replace("protocol: HTTP}", f"protocol: HTTP, {selector}}}"))
    assert parent(cluster, "httproute", "shop", "team")["Accepted"] == ("False", "NotAllowedByListeners")
    cluster.kubectl("label namespace team gate=open")
    assert parent(cluster, "httproute", "shop", "team")["Accepted"] == ("True", "Accepted")
    listeners = cluster.get("gateway", "eg")["status"]["listeners"]
    assert [(one["name"], one["attachedRoutes"]) for one in listeners[:2]] == [("http", 1), ("https", 1)]


def test_envoys_words_differ_from_nginxs() -> None:
    deny = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: closed}\n"
    cluster = cluster_with(ROUTE, deny + "spec: {podSelector: {matchLabels: {app: v1}}}\n", network="calico")
    cluster.apply(ROUTE.replace("weight: 10", "weight: 0"))
    found = ask(cluster, "http://shop.example/cart")
    assert found.reason == "503 Service Unavailable"
    assert found.body.endswith("reset reason: connection timeout")
    assert "closed" in found.explain()
    cluster.apply(ROUTE.replace("weight: 90", "weight: 0"))
    cluster.kubectl("delete pod v2")
    found = ask(cluster, "http://shop.example/cart")
    assert (found.reason, found.body) == ("503 Service Unavailable", "no healthy upstream")


def test_a_rule_may_wait_less_and_change_the_answers_headers() -> None:
    deny = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: closed}\n"
    more = "    timeouts: {request: 1500ms}\n    filters:\n"
    more += "    - type: ResponseHeaderModifier\n      responseHeaderModifier: {set: [{name: X-Shop, value: open}]}\n"
    only = ROUTE.replace("weight: 10", "weight: 0")
    cluster = cluster_with(only + more, network="calico")
    port = cluster.get("svc", "envoy-default-eg-e41e7b31", "envoy-gateway-system")["spec"]["ports"][0]["nodePort"]
    envoy = next(
        p for p in cluster.get("pods", namespace="envoy-gateway-system") if "default-eg" in p["metadata"]["name"]
    )
    said = f"curl -si -H 'Host: shop.example' http://{envoy['status']['hostIP']}:{port}/cart"
    assert "X-Shop: open" in cluster.outside().run(said).stdout
    cluster.apply(deny + "spec: {podSelector: {matchLabels: {app: v1}}}\n")
    found = ask(cluster, "http://shop.example/cart")
    assert (found.reason, found.body) == ("504 Gateway Timeout", "upstream request timeout")
    assert round(found.attempt.seconds, 3) == 1.5, "and the client waited as long"


def test_a_gateway_that_goes_takes_its_envoy_along() -> None:
    cluster = cluster_with(ROUTE)
    cluster.delete("gateway", "eg")
    assert "envoy-default" not in cluster.kubectl("get deploy,svc,pods -n envoy-gateway-system")
    with pytest.raises(Refused):
        ask(cluster, "http://shop.example/cart")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GATEWAY.replace("name: redis, ", "name: http, "), "Listener name must be unique within the Gateway"),
        (GATEWAY.replace("mode: Passthrough", "mode: Terminate"), "certificateRefs or options must be specified when"),
        (GATEWAY.replace("port: 6379", "port: 70000"), "should be less than or equal to 65535"),
        (
            GATEWAY.replace("protocol: TCP", "protocol: TCP, hostname: a.b"),
            "hostname must not be specified for protocols",
        ),
        (ROUTE.replace("/cart", "cart"), "value must be an absolute path and start with '/' when type one of"),
        (ROUTE.replace("name: v1, port: 80, ", "name: v1, "), "Must have port for Service reference"),
        (ROUTE.replace("[shop.example]", "[Shop!]"), "spec.hostnames[0] in body should match"),
        (ROUTE.replace("backendRefs: [", "backendrefs: ["), 'unknown field "spec.rules[0].backendrefs"'),
    ],
)
def test_a_wrong_object_is_refused_in_the_definitions_words(shop: Cluster, text: str, words: str) -> None:
    with pytest.raises(Refused) as refused:
        shop.apply(text)
    assert words in str(refused.value)


def test_the_manifests_are_found_by_their_addresses() -> None:
    cluster = Cluster(nodes=1)
    where = "https://github.com/kubernetes-sigs/gateway-api/releases/download/v1.4.0/standard-install.yaml"
    assert "gateways.gateway.networking.k8s.io created" in cluster.kubectl(f"apply -f {where}")
    with pytest.raises(CommandError):
        cluster.kubectl("apply -f https://example.com/other.yaml")
