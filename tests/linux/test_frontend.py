"""A proxy's routing table: which rule a request goes by does not depend on how the table is written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from k8slearn.linux.frontend import Match, Route, choose, covers
from k8slearn.linux.http import Request, parse

PATHS = st.lists(st.sampled_from(["a", "b", "ab"]), max_size=3).map(lambda parts: "/" + "/".join(parts))
HOSTS = st.sampled_from(["", "shop.example", "*.example", "*.shop.example", "www.shop.example"])
MATCHES = st.builds(
    Match,
    host=HOSTS,
    labels=st.sampled_from([0, 1]),
    path=PATHS,
    kind=st.sampled_from(["exact", "prefix", "letters"]),
    method=st.sampled_from(["", "GET", "POST"]),
    headers=st.sampled_from([(), (("X-Team", "a", "exact"),), (("X-Team", "[ab]", "regex"),)]),
)
REQUESTS = st.builds(
    Request,
    method=st.sampled_from(["GET", "POST"]),
    target=PATHS,
    host=st.sampled_from(["shop.example", "www.shop.example", "x.y.example", "other"]),
    headers=st.sampled_from([(), (("x-team", "a"),), (("X-TEAM", "b"),)]),
)


def routes(matches: list[Match]) -> tuple[Route, ...]:
    key = ("api", "httproutes", "default/web")
    return tuple(Route(match, (), f"rule {n}", key, ("", "default/web", n)) for n, match in enumerate(matches))


@given(st.lists(MATCHES, max_size=6), REQUESTS, st.randoms())
def test_the_order_of_the_rules_means_nothing(matches: list[Match], request: Request, order: object) -> None:
    table = list(routes(matches))
    found, compared = choose(tuple(table), request, request.host)
    order.shuffle(table)  # type: ignore[attr-defined]
    again, _ = choose(tuple(table), request, request.host)
    assert again == found
    assert [one.because.text for one in compared if one.taken] == ([found.says] if found else [])
    assert all(one.why for one in compared)


@given(MATCHES, REQUESTS)
def test_what_a_rule_alone_refuses_no_other_rule_makes_it_take(match: Match, request: Request) -> None:
    alone, _ = choose(routes([match]), request, request.host)
    beside, _ = choose(routes([match, Match("nobody.example")]), request, request.host)
    assert (alone is None) == (beside is None)


@given(REQUESTS, st.sampled_from([None, "", "shop.example"]))
def test_a_request_is_read_as_it_was_said(request: Request, server_name: str | None) -> None:
    said = request._replace(server_name=server_name)
    assert parse(said.text) == said


def test_a_wildcard_never_stands_for_nothing() -> None:
    assert covers("*.example", "a.b.example")
    assert not covers("*.example", "a.b.example", labels=1)
    assert not covers("*.example", "example")
    assert not covers("*.example", ".example")
