"""What is on its way out says so: externalIPs of a Service (1.36), kube-proxy's ipvs mode (1.35).

kube-proxy's sentence is the one that a kube-proxy 1.35 logs.
"""

from __future__ import annotations

import pytest

from k8slearn import Cluster

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80}]
"""
CLAIMING = SERVICE + "  externalIPs: [192.0.2.7]\n"
WARNING = "Warning: spec.externalIPs is deprecated"
IPVS = "The ipvs proxier is now deprecated and may be removed in a future release. Please use 'nftables' instead."


@pytest.mark.parametrize("verb", ["apply -f -", "create -f -", "create --dry-run=server -f -"])
def test_external_ips_are_accepted_with_a_warning(verb: str) -> None:
    said = Cluster(nodes=1).kubectl(verb, stdin=CLAIMING)
    assert WARNING in said
    assert "service/web created" in said


def test_what_the_server_is_not_asked_it_does_not_warn_of() -> None:
    cluster = Cluster(nodes=1)
    assert WARNING not in cluster.kubectl("apply --dry-run=client -f -", stdin=CLAIMING)
    assert WARNING not in cluster.kubectl("apply -f -", stdin=SERVICE)
    assert WARNING in cluster.kubectl("""patch svc web -p '{"spec":{"externalIPs":["192.0.2.7"]}}'""")
    cluster.kubectl("apply -f -", stdin=CLAIMING)
    assert cluster.kubectl("apply -f -", stdin=CLAIMING) == "service/web unchanged\n"


def test_a_kube_proxy_in_ipvs_mode_says_once_on_its_node_that_it_is_deprecated() -> None:
    cluster = Cluster(nodes=1, proxy="ipvs")
    cluster.apply(SERVICE)
    cluster.advance(seconds=4000)
    events = [e for e in cluster.get("events") if e["reason"] == "IPVSDeprecation"]
    assert [(e["type"], e["message"], e["count"], e["involvedObject"]["name"]) for e in events] == [
        ("Warning", IPVS, 1, "node-1")
    ]
    assert "IPVSDeprecation" in cluster.kubectl("describe node node-1")


def test_no_other_mode_says_so() -> None:
    assert not [e for e in Cluster(nodes=1).get("events") if e["reason"] == "IPVSDeprecation"]
