"""The tables of the Kubernetes documentation: which path of an Ingress a request goes by, and which host it names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from k8slearn import Cluster, manifests
from k8slearn.components.ingress_nginx.routing import frontends
from k8slearn.linux.frontend import choose, covers
from k8slearn.linux.http import Request

TRUTH = json.loads((Path(__file__).parent / "ingress_rules.json").read_text())


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    made = Cluster(nodes=1)
    made.apply(manifests.addon("ingress-nginx"))
    return made


@pytest.mark.parametrize(("paths", "request_path", "taken"), TRUTH["paths"])
def test_a_request_goes_by_the_path_that_the_documentation_says(
    cluster: Cluster, paths: list[list[str]], request_path: str, taken: str | None
) -> None:
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    rules = [{"pathType": kind, "path": path, "backend": backend} for kind, path in paths]
    spec: dict[str, Any] = {"ingressClassName": "nginx", "rules": [{"http": {"paths": rules}}]}
    cluster.apply(
        {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "table"}, "spec": spec}
    )
    plain, _ = frontends(cluster.world, ())
    route, compared = choose(plain.routes, Request(target=request_path), "")
    found = None if route is None else next(p for n, p in enumerate(paths) if f"paths[{n}]" in route.says)
    wanted = (taken or "").rpartition(" ")[::2]
    assert (found is None) == (taken is None)
    assert found is None or (found[1] == wanted[1] or found[1] == taken)
    assert found is None or wanted[0] in ("", found[0])
    assert sum(one.taken for one in compared) == (taken is not None)


@pytest.mark.parametrize(("pattern", "host", "fits"), TRUTH["hosts"])
def test_a_wildcard_of_an_ingress_stands_for_one_label(pattern: str, host: str, fits: bool) -> None:
    assert covers(pattern, host, labels=1) is fits
