"""A pod that needs a ConfigMap or a Secret that is not there: where it waits, what is said, and when it goes on."""

from __future__ import annotations

from typing import Any

import pytest

from k8slearn import Cluster

from .given import events, pod

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cfg}\ndata: {a: '1', b: '2'}\n"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: key}\nstringData: {a: hush}\n"


def mounting(volume: str, name: str = "web") -> str:
    return pod(name, "node-1", more=f", volumes: [{{name: v, {volume}}}]")


def with_env(env: str, name: str = "web", more: str = "") -> str:
    return pod(name, "node-1", image=f"nginx, {env}", more=more)


def waiting(of: Cluster, name: str = "web") -> dict[str, Any]:
    found: dict[str, Any] = of.get("pods", name)["status"]["containerStatuses"][0]["state"].get("waiting", {})
    return found


@pytest.mark.parametrize(
    ("volume", "says", "cure"),
    [
        ("configMap: {name: cfg}", 'configmap "cfg" not found', CONFIG),
        ("secret: {secretName: key}", 'secret "key" not found', SECRET),
        ("projected: {sources: [{secret: {name: key}}]}", 'secret "key" not found', SECRET),
        (
            "configMap: {name: cfg, items: [{key: c, path: x}]}",
            "configmap references non-existent config key: c",
            CONFIG.replace("{a:", "{c:"),
        ),
        (
            "secret: {secretName: key, items: [{key: c, path: x}]}",
            "references non-existent secret key: c",
            SECRET.replace("{a:", "{c:"),
        ),
    ],
)
def test_a_volume_that_cannot_be_set_up_keeps_the_pod_without_a_sandbox(volume: str, says: str, cure: str) -> None:
    web = Cluster(nodes=1)
    if "non-existent" in says:
        web.apply(CONFIG if "configMap" in volume else SECRET)
    web.apply(mounting(volume))
    assert waiting(web) == {"reason": "ContainerCreating"}
    assert web.node("node-1").run("crictl pods -q").stdout == ""
    assert events(web, "FailedMount") == [f'MountVolume.SetUp failed for volume "v" : {says}']
    web.advance(3)
    web.apply(cure)
    assert web.get("pods", "web")["status"]["phase"] == "Pending", "it is found at the next try"
    web.advance(1)
    assert web.get("pods", "web")["status"]["phase"] == "Running"


def test_a_volume_is_tried_again_after_ever_longer_waits() -> None:
    web = Cluster(nodes=1)
    web.apply(mounting("configMap: {name: cfg}"))
    web.advance(27)
    (said,) = (event for event in web.get("events") if event["reason"] == "FailedMount")
    assert said["count"] == 6, "as in life: `(x6 over 27s)`"
    web.advance(15 * 60 - 27)
    (said,) = (event for event in web.get("events") if event["reason"] == "FailedMount")
    assert said["count"] in (14, 15), "as in life: `(x15 over 15m)`"


def test_a_network_that_is_not_ready_is_told_first() -> None:
    web = Cluster(nodes=1, network=None)
    web.apply(mounting("configMap: {name: cfg}"))
    assert events(web, "FailedMount") == []
    assert events(web, "NetworkNotReady")


@pytest.mark.parametrize(
    "volume",
    ["configMap: {name: cfg, optional: true}", "secret: {secretName: key, optional: true}", "emptyDir: {}"],
)
def test_an_optional_volume_is_empty(volume: str) -> None:
    web = Cluster(nodes=1)
    web.apply(mounting(volume))
    assert web.get("pods", "web")["status"]["phase"] == "Running"


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ("envFrom: [{configMapRef: {name: cfg}}]", 'configmap "cfg" not found'),
        ("envFrom: [{secretRef: {name: key}}]", 'secret "key" not found'),
        ("env: [{name: A, valueFrom: {configMapKeyRef: {name: cfg, key: a}}}]", 'configmap "cfg" not found'),
        ("env: [{name: A, valueFrom: {secretKeyRef: {name: key, key: a}}}]", 'secret "key" not found'),
    ],
)
def test_an_environment_that_is_not_there_keeps_only_its_container_from_being_made(env: str, says: str) -> None:
    web = Cluster(nodes=1)
    web.apply(with_env(env))
    assert waiting(web) == {"reason": "CreateContainerConfigError", "message": says}
    assert events(web, "Failed") == [f"Error: {says}"]
    assert len(web.node("node-1").run("crictl pods -q").stdout.split()) == 1
    assert web.get("pods", "web")["status"]["podIP"] == "10.244.0.2"
    assert web.kubectl("get pods --no-headers").split()[2] == "CreateContainerConfigError"
    web.apply(CONFIG)
    web.apply(SECRET)
    assert waiting(web)["reason"] == "CreateContainerConfigError"
    web.advance(10)
    assert web.get("pods", "web")["status"]["phase"] == "Running"


def test_a_key_that_is_not_there_is_named_with_where_it_should_be() -> None:
    web = Cluster(nodes=1)
    web.apply(CONFIG)
    web.apply(with_env("env: [{name: A, valueFrom: {configMapKeyRef: {name: cfg, key: c}}}]"))
    assert waiting(web)["message"] == "couldn't find key c in ConfigMap default/cfg"


def test_the_other_containers_of_the_pod_start() -> None:
    web = Cluster(nodes=1)
    alone = with_env("envFrom: [{configMapRef: {name: cfg}}]")
    web.apply(alone.replace("}]}]", "}]}, {name: d, image: redis}]"))
    states = {c["name"]: next(iter(c["state"])) for c in web.get("pods", "web")["status"]["containerStatuses"]}
    assert states == {"c": "waiting", "d": "running"}


def test_a_container_that_died_cannot_start_again_without_its_configuration() -> None:
    web = Cluster(nodes=1)
    web.apply(CONFIG)
    web.apply(with_env("envFrom: [{configMapRef: {name: cfg}}]"))
    web.kubectl("delete configmap cfg")
    node = web.node("node-1")
    node.run(f"crictl stop {node.run('crictl ps -q').stdout}")
    assert waiting(web)["reason"] == "CreateContainerConfigError"
    web.apply(CONFIG)
    web.advance(10)
    status = web.get("pods", "web")["status"]["containerStatuses"][0]
    assert (status["restartCount"], waiting(web)) == (1, {})


def test_a_container_has_the_variables_of_its_sources_in_order() -> None:
    from k8slearn.api import environment

    web = Cluster(nodes=1)
    web.apply(CONFIG)
    web.apply(SECRET)
    web.apply(
        with_env(
            "envFrom: [{prefix: C_, configMapRef: {name: cfg}}, {secretRef: {name: key}}], "
            "env: [{name: a, value: own}, "
            "{name: S, valueFrom: {secretKeyRef: {name: key, key: a}}}, {name: T, value: '$(S)-$(a)-$$(a)-$(no)'}, "
            "{name: O, valueFrom: {configMapKeyRef: {name: cfg, key: z, optional: true}}}]"
        )
    )
    found = web.get("pods", "web")
    assert environment.of(web.world, found, found["spec"]["containers"][0]) == {
        **{"C_a": "1", "C_b": "2", "a": "own", "S": "hush"},
        "T": "hush-own-$(a)-$(no)",
    }
