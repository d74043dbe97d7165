"""A real nginx decided 960 times, under 80 sets of rules, by which rule of an Ingress a request goes; and its pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from k8slearn.components.ingress_nginx.routing import KINDS
from k8slearn.linux.frontend import Match, Route, choose
from k8slearn.linux.http import Request
from k8slearn.linux.proxy import DIALECTS

TRUTH = json.loads((Path(__file__).parent / "nginx_locations.json").read_text())
KEY = ("api", "ingresses", "default/web")


@pytest.mark.parametrize("case", TRUTH["cases"])
def test_a_request_goes_by_the_rule_that_nginx_takes(case: dict[str, Any]) -> None:
    rules = case["rules"]
    routes = tuple(
        Route(Match(host, 1, path, KINDS[kind]), (), str(n), KEY, ("", "", n))
        for n, (host, kind, path) in enumerate(rules)
    )
    for host, path, taken in case["requests"]:
        found, compared = choose(routes, Request(target=path, host=host), host)
        assert (found.says if found else None) == (None if taken is None else str(taken)), (host, path, rules)
        assert [one.because.text for one in compared if one.taken] == ([] if taken is None else [str(taken)])


@pytest.mark.parametrize(
    ("status", "what"), [("404", "no rule"), ("503", "nobody"), ("502", "refused"), ("504", "timeout")]
)
def test_nginxs_pages_are_its_own(status: str, what: str) -> None:
    assert DIALECTS["nginx"].pages[what] == tuple(TRUTH["pages"][status])
