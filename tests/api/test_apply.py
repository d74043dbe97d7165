"""``kubectl apply`` on what exists: what is said is set, what is no longer said goes, what others said stays."""

from __future__ import annotations

import pytest

from k8slearn import api
from k8slearn.errors import Refused
from k8slearn.journal import Put, World

from .world import applied, deployment, do, pod, service


def test_what_the_text_no_longer_says_goes() -> None:
    world = World()
    first = service("web", selector={"app": "web", "tier": "front"})
    first["metadata"]["labels"] = {"a": "b", "c": "d"}
    applied(world, first)
    second = service("web", selector={"app": "web"})
    second["metadata"]["labels"] = {"a": "b"}
    (now,) = applied(world, second)
    assert now["spec"]["selector"] == {"app": "web"}
    assert now["metadata"]["labels"] == {"a": "b"}


def test_what_others_wrote_stays() -> None:
    world = World()
    (before,) = applied(world, deployment("web"))
    do(world, api.replace(world, {**before, "spec": {**before["spec"], "replicas": 5}}))
    status = {"replicas": 5}
    key = api.key(world, before)
    world.apply(Put(key, {**world.get(key), "status": status}))
    changed = deployment("web", minReadySeconds=3)
    (now,) = applied(world, changed)
    assert now["spec"]["replicas"] == 5
    assert now["spec"]["minReadySeconds"] == 3
    assert now["status"] == status


def test_a_service_keeps_its_address_and_its_node_port() -> None:
    world = World()
    (before,) = applied(world, service("web", type="NodePort", ports=[{"port": 80}]))
    (now,) = applied(
        world, service("web", type="NodePort", ports=[{"port": 80, "name": "http"}, {"port": 81, "name": "x"}])
    )
    assert now["spec"]["clusterIP"] == before["spec"]["clusterIP"]
    assert now["spec"]["ports"][0]["nodePort"] == before["spec"]["ports"][0]["nodePort"]
    assert now["spec"]["ports"][0]["name"] == "http"


def test_a_service_that_is_no_longer_a_node_port_gives_its_port_back() -> None:
    world = World()
    applied(world, service("web", type="NodePort", ports=[{"port": 80, "nodePort": 30080}]))
    (now,) = applied(world, service("web"))
    assert "nodePort" not in now["spec"]["ports"][0]
    assert "externalTrafficPolicy" not in now["spec"]
    applied(world, service("other", type="NodePort", ports=[{"port": 80, "nodePort": 30080}]))


def test_a_pod_may_hardly_be_changed() -> None:
    world = World()
    applied(world, pod("web"))
    (now,) = applied(world, pod("web", containers=[{"name": "c", "image": "nginx:2"}]))
    assert now["spec"]["containers"][0]["image"] == "nginx:2"
    with pytest.raises(Refused, match="pod updates may not change fields other than"):
        applied(world, pod("web", hostNetwork=True))


def test_a_deployments_selector_is_for_ever() -> None:
    world = World()
    applied(world, deployment("web"))
    other = deployment("api")
    other["metadata"]["name"] = "web"
    with pytest.raises(Refused, match=r"spec\.selector: .*field is immutable"):
        applied(world, other)


def test_the_generation_counts_changes_of_the_spec_alone() -> None:
    world = World()
    (one,) = applied(world, deployment("web"))
    labelled = deployment("web")
    labelled["metadata"]["labels"] = {"a": "b"}
    (two,) = applied(world, labelled)
    labelled["spec"]["replicas"] = 3
    (three,) = applied(world, labelled)
    assert [o["metadata"]["generation"] for o in (one, two, three)] == [1, 1, 2]
    assert len({o["metadata"]["resourceVersion"] for o in (one, two, three)}) == 3
    assert len({o["metadata"]["uid"] for o in (one, two, three)}) == 1


def test_a_namespace_that_goes_takes_its_content() -> None:
    world = World()
    applied(world, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    applied(world, [pod("idle"), service("web")], "shop")
    applied(world, pod("busy", nodeName="node-1"), "shop")
    do(world, api.delete(world, "ns", "shop"))
    assert api.get(world, "svc", namespace="shop") == []
    (busy,) = api.get(world, "pods", namespace="shop")
    assert busy["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:30Z"
    assert api.get(world, "ns", "shop")["status"]["phase"] == "Terminating"
    with pytest.raises(Refused, match="because it is being terminated"):
        applied(world, pod("late"), "shop")
    do(world, api.deletion(world, ("api", "pods", "shop/busy"), 0))
    do(world, api.finish_namespace(world, "shop"))
    assert world.get(("api", "namespaces", "shop")) is None


def test_a_learners_dict_may_change_after_it_was_applied() -> None:
    world = World()
    mine = service("web", selector={"app": "web"})
    (kept,) = applied(world, mine)
    mine["spec"]["selector"]["app"] = "other"
    assert kept["spec"]["selector"] == {"app": "web"}
