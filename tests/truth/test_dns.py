"""What a real CoreDNS answers, and which queries the real C library sends: recorded, and asked here again.

`dns_cases.json`: CoreDNS 1.13.1 (openshift/coredns@37aaba89) under eight Corefiles, glibc 2.36; its "about" says how.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from k8slearn.components.coredns import corefile, query
from k8slearn.dns import Message, Record, decode, encode
from k8slearn.journal import Put, World, drive
from k8slearn.linux import resolver
from k8slearn.trace import Attempt, Ending

CASES = json.loads((Path(__file__).parent / "dns_cases.json").read_text())
LOOKUPS = [pytest.param(case, id=f"{case['resolv_conf']}-{case['host']}") for case in CASES["lookups"]]


@pytest.fixture(scope="module")
def world() -> World:
    world = World()
    for table, objects in CASES["objects"].items():
        for obj in objects:
            meta = obj["metadata"]
            name = f"{meta['namespace']}/{meta['name']}" if "namespace" in meta else meta["name"]
            world.apply(Put(("api", table, name), obj))
    return world


def asked(world: World, file: corefile.Corefile, message: Message, client: str, port: int = 53) -> query.Query:
    """A query at the recorded server: its own address was 10.96.0.10, its upstream the second block of the file."""

    def upstream(address: str, port: int, message: Message, proto: str) -> Message:
        return query.serve(asked(world, file, message, "127.0.0.1", port))

    local = ("10.96.0.10",)
    return query.Query(world, file, message.name, message.type, client, port, local, upstream=upstream)


def records(section: list[dict[str, Any]]) -> set[Record]:
    return {Record(r["name"], r["type"], r["ttl"], r["data"].replace("SERIAL", "1")) for r in section}


@pytest.mark.parametrize("name", CASES["queries"])
def test_every_answer_is_the_real_servers(world: World, name: str) -> None:
    file = corefile.parse(CASES["corefiles"][name])
    for case in CASES["queries"][name]:
        question = Message(case["name"], case["type"])
        answer = query.serve(asked(world, file, question, case.get("from", "127.0.0.1")))
        wanted = case["response"]
        told = (answer.rcode, answer.authoritative, answer.truncated)
        assert told == (wanted["rcode"], wanted["authoritative"], wanted["truncated"]), case
        for section in ("answer", "authority", "additional"):
            assert set(getattr(answer, section)) == records(wanted[section]), (section, case)
        assert decode(encode(answer)) == answer


@pytest.mark.parametrize("case", LOOKUPS)
def test_a_lookup_sends_the_queries_that_glibc_sends(
    world: World, case: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, seen = corefile.parse(CASES["corefiles"]["kubeadm"]), []
    serve = query.serve

    def logged(one: query.Query) -> Message:
        answer = serve(one)
        if one.port == 53:
            seen.append((one.name, one.type, answer.rcode))
        return answer

    def connect(*place: object, request: str, **how: object) -> Iterator[Any]:
        question = decode(request)
        assert question is not None
        answer = query.serve(asked(world, file, question, "127.0.0.1"))
        yield from ()
        return Attempt((), Ending("connected", payload=encode(answer)), ())

    monkeypatch.setattr(query, "serve", logged)
    monkeypatch.setattr(resolver, "connect", connect)
    config = resolver.parse(CASES["resolv_conf"][case["resolv_conf"]])
    found = drive(resolver.lookup(world, "here", config, case["host"]), world.apply)
    wanted = Counter((q["name"], q["type"], q["rcode"]) for q in case["queries_seen_by_coredns"])
    assert Counter(seen) == wanted
    assert set(found.addresses) == set(case["outcome"].get("addresses", ()))
    assert found.error == case["outcome"].get("error", "")
