"""The Envoy of a Gateway: a Deployment that runs it, and a Service that leads to it.

Envoy Gateway makes both in its own namespace, with the Gateway's name and a hash of it: ``envoy-default-eg-e41e7b31``.
The Service is of type LoadBalancer, so a cluster in which nobody gives addresses to such Services has a Gateway that
is accepted and not programmed (``AddressNotAssigned``); its node ports work all the same. Its external traffic policy
is Local: Envoy sees the client's own address, and only nodes with an Envoy take traffic
(envoyproxy/gateway internal/infrastructure/kubernetes/proxy/resource_provider.go).

Left out: the custom resource EnvoyProxy, the shutdown manager beside Envoy, probes, ``spec.addresses``.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from k8slearn.components.envoy_gateway.attaching import full_name
from k8slearn.components.envoy_gateway.routing import SPEAKS, inside

Obj = dict[str, Any]
NAMESPACE = "envoy-gateway-system"
OWNER, OWNER_NAMESPACE = "gateway.envoyproxy.io/owning-gateway-name", "gateway.envoyproxy.io/owning-gateway-namespace"
IMAGE = "docker.io/envoyproxy/envoy:distroless-v1.36.2"


def name_of(gateway: Obj) -> str:
    """``envoy-default-eg-e41e7b31``"""
    full = full_name(gateway)
    return f"envoy-{full.replace('/', '-')[:48]}-{sha256(full.encode()).hexdigest()[:8]}"


def labels(gateway: Obj) -> dict[str, str]:
    return {
        **{"app.kubernetes.io/component": "proxy", "app.kubernetes.io/managed-by": "envoy-gateway"},
        **{"app.kubernetes.io/name": "envoy", OWNER: gateway["metadata"]["name"]},
        OWNER_NAMESPACE: gateway["metadata"]["namespace"],
    }


def objects(gateway: Obj) -> Iterator[Obj]:
    """What has to be there for a Gateway."""
    metadata = {"name": name_of(gateway), "namespace": NAMESPACE, "labels": labels(gateway)}
    container = {
        "name": "envoy",
        "image": IMAGE,
        "ports": [{"name": "metrics", "containerPort": 19001}, {"name": "readiness", "containerPort": 19003}],
    }
    template = {"metadata": {"labels": labels(gateway)}, "spec": {"containers": [container]}}
    spec: Obj = {"replicas": 1, "selector": {"matchLabels": labels(gateway)}, "template": template}
    yield {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
    spec = {
        "type": "LoadBalancer",
        "externalTrafficPolicy": "Local",
        "selector": labels(gateway),
        "ports": list(_ports(gateway)),
    }
    yield {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _ports(gateway: Obj) -> Iterator[Obj]:
    listeners = {one["port"]: one for one in reversed(gateway["spec"]["listeners"]) if one["protocol"] in SPEAKS}
    for port, one in sorted(listeners.items()):
        name = f"{one['protocol'].lower()}-{port}"
        yield {"name": name, "port": port, "protocol": "TCP", "targetPort": inside(port)}
