"""A world with nothing in it but what a test applies."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from k8slearn import api
from k8slearn.journal import Command, World


def do(world: World, request: Generator[Command, None, Any]) -> Any:
    """Write what a request yields, each as one revision; return what it returns."""
    while True:
        try:
            command = next(request)
        except StopIteration as end:
            return end.value
        world.revision += 1
        world.apply(command)


def applied(world: World, text: Any, namespace: str = "default") -> list[dict[str, Any]]:
    """``kubectl apply``: the objects as they are afterwards."""
    keys = [do(world, api.apply(world, obj, namespace)) for obj in api.load(text, namespace)]
    return [world.get(key) for key in keys]


def service(name: str, **spec: Any) -> dict[str, Any]:
    spec.setdefault("ports", [{"port": 80}])
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def pod(name: str, **spec: Any) -> dict[str, Any]:
    spec.setdefault("containers", [{"name": "c", "image": "nginx"}])
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}


def deployment(name: str, **spec: Any) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
