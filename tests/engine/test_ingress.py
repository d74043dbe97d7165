"""Ingresses: a controller's pod carries the traffic, by rules that can be read one by one."""

from __future__ import annotations

from typing import Any

import pytest

from k8slearn import Cluster, manifests
from k8slearn.errors import Refused

PORTS = "30080"
NODE = f"node:node-2:{PORTS}"
WEB = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  ingressClassName: nginx
  rules:
  - host: shop.example
    http:
      paths:
      - {path: /cart, pathType: Prefix, backend: {service: {name: cart, port: {number: 80}}}}
      - {path: /, pathType: Prefix, backend: {service: {name: front, port: {number: 8080}}}}
"""
DENY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: only-friends}
spec:
  podSelector: {matchLabels: {app: cart}}
  ingress: [{from: [{podSelector: {matchLabels: {app: front}}}]}]
"""


def shop(network: str = "bridge") -> Cluster:
    cluster = Cluster(nodes=3, network=network)
    cluster.apply(manifests.addon("ingress-nginx").replace("targetPort: http}", "targetPort: http, nodePort: 30080}"))
    cluster.kubectl("create deployment cart --image=nginx --replicas=2 --port=80")
    cluster.kubectl("expose deployment cart --port=80")
    cluster.kubectl("create deployment front --image=nginx --port=80")
    cluster.kubectl("expose deployment front --port=8080 --target-port=80")
    cluster.apply(WEB)
    return cluster


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return shop()


def curl(cluster: Cluster, words: str) -> str:
    return cluster.outside().run(f"curl -s {words}").stdout


def test_a_request_goes_through_the_controllers_pod_to_an_endpoint(cluster: Cluster) -> None:
    found = cluster.request("outside", "http://shop.example/cart/7", connect_to=NODE)
    controller = cluster.get("pods", namespace="ingress-nginx")[0]
    assert (found.status, found.outcome) == (200, "connected")
    assert found.answered_by is not None
    assert found.answered_by.startswith("default/cart-")
    assert found.source_seen == controller["status"]["podIP"], "the backend sees the proxy, and not the client"
    assert found.second is not None
    assert found.second.source == f"ingress-nginx/{controller['metadata']['name']}"
    assert [one.taken for one in found.rules] == [True, False]
    assert "its path /cart is longer" in found.rules[1].why
    said = found.explain()
    assert "past the Service's address" in said
    assert "X-Forwarded-For: 192.168.64.12" in said


def test_the_share_of_each_endpoint_is_exact(cluster: Cluster) -> None:
    fates = cluster.request("outside", "http://shop.example/cart", connect_to=NODE).fates()
    assert [str(fate.probability) for fate in fates] == ["1/2", "1/2"]
    assert {fate.status for fate in fates} == {"200 OK"}


def test_curl_says_the_host_that_it_means(cluster: Cluster) -> None:
    assert curl(cluster, f"-H 'Host: shop.example' http://192.168.64.12:{PORTS}/cart").startswith("Hello from cart-")
    assert curl(
        cluster, f"--resolve shop.example:{PORTS}:192.168.64.12 http://shop.example:{PORTS}/hostname"
    ).startswith("front-")
    assert "404 Not Found" in curl(cluster, f"http://192.168.64.12:{PORTS}/cart")


def test_who_asked_stands_in_a_header_only(cluster: Cluster) -> None:
    asked = f"-H 'Host: shop.example' 'http://192.168.64.12:{PORTS}/header?key=X-Forwarded-For'"
    assert curl(cluster, asked) == "192.168.64.12", "the node port translated the client's address"
    service = "patch svc ingress-nginx-controller -n ingress-nginx -p "
    local = shop()
    local.kubectl(service + """'{"spec":{"externalTrafficPolicy":"Local"}}'""")
    home = local.get("pods", namespace="ingress-nginx")[0]["status"]["hostIP"]
    asked = asked.replace("192.168.64.12", home)
    assert curl(local, asked) == "203.0.113.7"
    assert curl(local, f"-H 'X-Forwarded-For: 1.2.3.4' {asked}") == "203.0.113.7", "nginx believes nobody"


def test_what_no_rule_takes_is_404_and_the_nearest_rule_is_named(cluster: Cluster) -> None:
    found = cluster.request("outside", "http://shop.exampel/cart", connect_to=NODE)
    assert (found.status, found.second) == (404, None)
    assert all("its host is shop.example" in one.why for one in found.rules)
    assert "ask for the host shop.example" in found.explain()


def test_a_backend_without_endpoints_is_503_and_a_closed_port_502() -> None:
    cluster = shop()
    cluster.kubectl("scale deployment cart --replicas=0")
    found = cluster.request("outside", "http://shop.example/cart", connect_to=NODE)
    assert found.reason == "503 Service Temporarily Unavailable"
    assert "has no endpoint that is ready" in found.explain()
    cluster.kubectl('patch svc front -p \'{"spec":{"ports":[{"port":8080,"targetPort":81}]}}\'')
    found = cluster.request("outside", "http://shop.example/", connect_to=NODE)
    assert (found.reason, len(found.served[-1].attempts)) == ("502 Bad Gateway", 3)
    assert "ask for port 80, where nginx listens" in found.explain()


def test_a_policy_has_to_allow_the_controllers_pod() -> None:
    cluster = shop("calico")
    cluster.apply(DENY)
    found = cluster.request("outside", "http://shop.example/cart", connect_to=NODE)
    assert found.reason == "504 Gateway Time-out", "three tries of five seconds"
    assert found.second is not None
    assert found.second.outcome == "timeout"
    assert "only-friends" in found.explain()
    assert (
        curl(
            cluster,
            f"-w '%{{http_code}} %{{time_total}}' -o /dev/null -H 'Host: shop.example' "
            f"http://192.168.64.12:{PORTS}/cart",
        )
        == "504 15.000000"
    )
    assert cluster.request("outside", "http://shop.example/", connect_to=NODE).status == 200


def test_an_ingress_without_a_controller_is_only_text() -> None:
    cluster = shop()
    cluster.kubectl("scale deployment ingress-nginx-controller -n ingress-nginx --replicas=0")
    assert cluster.request("outside", "http://shop.example/cart", connect_to=NODE).outcome == "refused"
    other = WEB.replace("ingressClassName: nginx", "ingressClassName: haproxy").replace("name: web}", "name: other}")
    cluster.apply(other)
    cluster.kubectl("scale deployment ingress-nginx-controller -n ingress-nginx --replicas=1")
    assert cluster.request("outside", "http://shop.example/cart", connect_to=NODE).status == 200
    rows = cluster.kubectl("get ingress").splitlines()
    assert rows[1].split()[:4] == ["other", "haproxy", "shop.example", "80"], "nobody gave it an address"
    assert rows[2].split()[:4] == ["web", "nginx", "shop.example", "192.168.64.11"]


def test_a_host_with_a_certificate_is_sent_to_https() -> None:
    cluster = shop()
    cluster.kubectl("create ingress safe --class=nginx --rule=safe.example/*=cart:80,tls=safe-tls")
    sealed = cluster.get("svc", "ingress-nginx-controller", "ingress-nginx")["spec"]["ports"][1]["nodePort"]
    found = cluster.request("outside", "http://safe.example/a?b=c", connect_to=NODE)
    assert (found.reason, found.location) == ("308 Permanent Redirect", "https://safe.example/a?b=c")
    found = cluster.request("outside", "https://safe.example/a", connect_to=f"node:node-1:{sealed}")
    assert found.status == 200
    assert found.answered_by is not None
    assert found.answered_by.startswith("default/cart-")
    there = f"--resolve safe.example:{sealed}:192.168.64.11 https://safe.example:{sealed}/header?key=X-Forwarded-Proto"
    assert curl(cluster, f"-k {there}") == "https"
    refused = cluster.outside().run(f"curl -sS {there}")
    assert (refused.exit_code, refused.stderr[:44]) == (60, "curl: (60) SSL certificate problem: self-sig")
    assert "400 Bad Request" in curl(cluster, f"-H 'Host: safe.example' http://192.168.64.11:{sealed}/")


def test_the_newest_default_class_is_given_to_an_ingress_that_names_none() -> None:
    cluster = shop()
    cluster.kubectl("annotate ingressclass nginx ingressclass.kubernetes.io/is-default-class=true")
    cluster.kubectl("create ingress plain --rule=plain.example/*=front:8080")
    assert cluster.get("ingress", "plain")["spec"]["ingressClassName"] == "nginx"
    assert cluster.request("outside", "http://plain.example/", connect_to=NODE).status == 200


def test_rewriting_makes_the_paths_regular_expressions() -> None:
    cluster = shop()
    cluster.kubectl(
        "create ingress old --class=nginx --rule='old.example/api(/|$)(.*)=cart:80' "
        "--annotation nginx.ingress.kubernetes.io/rewrite-target=/$2"
    )
    assert curl(cluster, f"-H 'Host: old.example' http://192.168.64.12:{PORTS}/api/hostname").startswith("cart-")
    assert "404" in curl(cluster, f"-H 'Host: old.example' http://192.168.64.12:{PORTS}/other")


PATH, BACKEND = "spec.rules[0].http.paths[0].path", "spec.rules[0].http.paths[0].backend"
TYPES = 'supported values: "Exact", "ImplementationSpecific", "Prefix"'


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (("path: /cart", "path: cart"), f'{PATH}: Invalid value: "cart": must be an absolute path'),
        (("path: /cart", "path: /a//b"), f"{PATH}: Invalid value: \"/a//b\": must not contain '//'"),
        (
            ("Prefix, backend: {service: {name: c", "Pre, backend: {service: {name: c"),
            f'Type: Unsupported value: "Pre": {TYPES}',
        ),
        (("shop.example", "10.0.0.1"), 'host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address'),
        (("shop.example", '"*.*.example"'), "a wildcard DNS-1123 subdomain must start with '*.'"),
        (("port: {number: 80}", "port: {}"), f"{BACKEND}: Required value: port name or number is required"),
        (("port: {number: 80}", "port: {number: 80, name: http}"), "cannot set both port name & port number"),
    ],
)
def test_a_wrong_ingress_is_refused_in_the_api_servers_words(
    cluster: Cluster, edit: tuple[str, str], words: str
) -> None:
    with pytest.raises(Refused) as refused:
        cluster.apply(WEB.replace(*edit))
    assert words in str(refused.value)


def test_a_trace_of_the_node_port_is_answered_by_the_controller(cluster: Cluster) -> None:
    found = cluster.trace("outside", "192.168.64.12", port=int(PORTS))
    assert found.outcome == "connected"
    assert found.answered_by is not None
    assert found.answered_by.startswith("ingress-nginx/")
    assert "A reverse proxy answered: 404 Not Found, to a request that names no host" in found.explain()


def test_a_capture_in_the_controllers_pod_has_both_connections(cluster: Cluster) -> None:
    pod = cluster.get("pods", namespace="ingress-nginx")[0]
    curl(cluster, f"-H 'Host: shop.example' http://192.168.64.12:{PORTS}/cart")
    place = cluster.pod(pod["metadata"]["name"], "ingress-nginx")
    lines = [line for line in place.run("tcpdump -ni eth0").stdout.splitlines() if "Flags [S]" in line]
    own = pod["status"]["podIP"]
    assert [f"> {own}.80:" in line for line in lines] == [True, False], "the client's, then nginx's own"
    assert f"IP {own}." in lines[1]
    remembered = cluster.node(pod["spec"]["nodeName"]).run("conntrack -L").stdout
    assert f"src={own} dst=10.244." in remembered


def test_a_notebook_shows_the_sentences_and_both_connections(cluster: Cluster) -> None:
    found = cluster.request("outside", "http://shop.example/cart", connect_to=NODE)
    shown = found._repr_mimebundle_()
    assert shown["text/plain"] == repr(found) == found.explain()
    assert shown["text/html"].count("<svg") == 2
    told = found.to_dict()
    assert (told["status"], told["first"]["outcome"], told["second"]["outcome"]) == (200, "connected", "connected")


def test_wget_names_a_host_in_a_header(cluster: Cluster) -> None:
    said = cluster.outside().run(f"wget -qO- --header='Host: shop.example' http://192.168.64.12:{PORTS}/hostname")
    assert said.stdout.startswith("front-")


def test_an_exercise_keeps_the_remedy_to_itself() -> None:
    cluster = shop()
    cluster.engine.remedies = False
    said = cluster.request("outside", "http://shop.exampel/cart", connect_to=NODE).explain()
    assert "smallest change" not in said
    assert "That is what this exercise asks you" in said


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"url": "ftp://shop.example"}, "a URL is like http://shop.example/cart, not 'ftp://shop.example'"),
        ({"url": "http://shop.example/", "connect_to": NODE + "0000"}, "a port is a number from 1 to 65535"),
        ({"url": "http://shop.example/", "headers": ["Host"]}, "headers is a dict of names and texts"),
        ({"url": 80}, "url is text, not 80"),
    ],
)
def test_a_wrong_request_is_refused_in_a_sentence(cluster: Cluster, asked: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=words):
        cluster.request("outside", **asked)


def test_a_name_that_nobody_knows_is_unresolved(cluster: Cluster) -> None:
    found = cluster.request("outside", "http://shop.example/cart")
    assert (found.outcome, found.status, found.second) == ("unresolved", 0, None)
