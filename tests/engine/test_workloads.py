"""Deployments and their kind: pods that come and go because a number says so."""

from __future__ import annotations

import re

from k8slearn import Cluster

from .given import DEPLOYMENT, SERVICE, events, names

DAEMONSET = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: c, image: nginx}]}
"""
STATEFULSET = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 3
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: c, image: redis}]}
"""
JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: sum}
spec:
  template: {spec: {restartPolicy: Never, containers: [{name: c, image: busybox, command: [sleep, "3600"]}]}}
"""


def _status(cluster: Cluster, resource: str, name: str) -> dict[str, object]:
    status: dict[str, object] = cluster.get(resource, name)["status"]
    return status


def test_a_deployment_makes_a_replicaset_and_that_makes_the_pods() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(DEPLOYMENT)
    (replicaset,) = cluster.get("replicasets")
    owner = replicaset["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("Deployment", "web", True)
    hashed = replicaset["metadata"]["labels"]["pod-template-hash"]
    for pod in cluster.get("pods"):
        assert re.fullmatch(rf"web-{hashed}-[bcdfghjklmnpqrstvwxz2456789]{{5}}", pod["metadata"]["name"])
        assert pod["metadata"]["labels"] == {"app": "web", "pod-template-hash": hashed}
        assert pod["metadata"]["ownerReferences"][0]["uid"] == replicaset["metadata"]["uid"]
    assert _status(cluster, "deployment", "web")["readyReplicas"] == 3
    assert events(cluster, "ScalingReplicaSet") == [f"Scaled up replica set web-{hashed} from 0 to 3"]


def test_scaling_adds_and_removes_pods_and_leaves_the_others_alone() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(DEPLOYMENT)
    three = set(names(cluster))
    cluster.apply(DEPLOYMENT.replace("replicas: 3", "replicas: 5"))
    five = set(names(cluster))
    assert three < five
    assert len(five) == 5
    cluster.apply(DEPLOYMENT.replace("replicas: 3", "replicas: 1"))
    assert len(names(cluster)) == 1
    assert set(names(cluster)) < five
    cluster.apply(DEPLOYMENT.replace("replicas: 3", "replicas: 0"))
    assert names(cluster) == []
    assert len(names(cluster, "replicasets")) == 1


def test_a_pod_that_is_deleted_is_replaced_by_another_one() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(DEPLOYMENT)
    before = names(cluster)
    cluster.delete("pod", before[0])
    after = names(cluster)
    assert len(after) == 3
    assert before[0] not in after
    assert set(before[1:]) < set(after)


def test_a_new_template_replaces_the_pods_step_by_step() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(DEPLOYMENT)
    old = set(names(cluster))
    cluster.apply(DEPLOYMENT.replace("image: nginx", "image: nginx:1.25"))
    assert len(names(cluster)) == 3
    assert not old & set(names(cluster))
    assert sorted(rs["spec"]["replicas"] for rs in cluster.get("replicasets")) == [0, 3]
    ups = [message for message in events(cluster, "ScalingReplicaSet") if "Scaled up" in message]
    assert len(ups) == 4, "the first three at once, then one after the other: maxSurge is 25 % of 3"
    cluster.apply(DEPLOYMENT)
    assert len(names(cluster, "replicasets")) == 2, "the old template's ReplicaSet is used again"


def test_a_new_version_that_does_not_get_ready_leaves_the_old_pods_answering() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(DEPLOYMENT + "---" + SERVICE)
    old = set(names(cluster))
    cluster.apply(DEPLOYMENT.replace("spec: {containers", "spec: {nodeSelector: {disk: ssd}, containers"))
    assert old < set(names(cluster))
    assert len(names(cluster)) == 4
    assert cluster.trace("node:node-1", "svc:default/web").outcome == "connected"
    assert _status(cluster, "deployment", "web")["updatedReplicas"] == 1


def test_recreate_stops_the_old_pods_before_it_starts_the_new_ones() -> None:
    cluster = Cluster(nodes=1)
    manifest = DEPLOYMENT.replace("replicas: 3", "replicas: 2\n  strategy: {type: Recreate}")
    cluster.apply(manifest)
    cluster.apply(manifest.replace("image: nginx", "image: httpd"))
    said = events(cluster, "ScalingReplicaSet")
    assert [m.split()[1] for m in sorted(said)] == ["down", "up", "up"]
    assert len(names(cluster)) == 2


def test_deleting_a_deployment_takes_all_that_it_owned() -> None:
    cluster = Cluster(nodes=2)
    untouched = cluster.world.tables().keys()
    cluster.apply(DEPLOYMENT)
    cluster.delete("deployment", "web")
    assert names(cluster) == names(cluster, "replicasets") == []
    left = [scope for scope in cluster.world.scopes("netns") if "/" in scope]
    assert left == []
    names_are_not_given_twice = {"api-server"}
    scopes = {scope for scope, _ in cluster.world.tables()} - names_are_not_given_twice
    assert scopes == {scope for scope, _ in untouched}


def test_a_namespace_goes_with_everything_in_it() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n")
    cluster.apply(DEPLOYMENT + "---" + SERVICE, namespace="shop")
    cluster.apply(DEPLOYMENT)
    cluster.delete("namespace", "shop")
    assert "shop" not in names(cluster, "namespaces")
    assert {pod["metadata"]["namespace"] for pod in cluster.get("pods", namespace=None)} == {"default"}
    assert all(row["metadata"]["namespace"] != "shop" for row in cluster.get("endpointslices", namespace=None))


def test_a_daemonset_has_one_pod_on_each_node_and_follows_its_template() -> None:
    cluster = Cluster(nodes=3)
    cluster.apply(DAEMONSET)
    assert sorted(pod["spec"]["nodeName"] for pod in cluster.get("pods")) == ["node-1", "node-2", "node-3"]
    assert _status(cluster, "daemonset", "agent")["numberReady"] == 3
    old = set(names(cluster))
    cluster.apply(DAEMONSET.replace("nginx", "httpd"))
    assert len(names(cluster)) == 3
    assert not old & set(names(cluster))


def test_a_daemonset_waits_for_nodes_whose_taints_it_does_not_tolerate() -> None:
    cluster = Cluster(nodes=2, network=None)
    cluster.apply(DAEMONSET)
    assert names(cluster) == []
    assert _status(cluster, "daemonset", "agent")["desiredNumberScheduled"] == 0


def test_a_daemonset_on_the_host_network_runs_before_there_is_a_pod_network() -> None:
    cluster = Cluster(nodes=2, network=None)
    cluster.apply(
        DAEMONSET.replace(
            "spec: {containers", "spec: {hostNetwork: true, tolerations: [{operator: Exists}], containers"
        )
    )
    assert {pod["status"]["phase"] for pod in cluster.get("pods")} == {"Running"}
    assert {pod["status"]["podIP"] for pod in cluster.get("pods")} == {a for _, a in cluster.settings.nodes}


def test_a_statefulset_numbers_its_pods_and_gives_a_number_back_to_its_successor() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(STATEFULSET)
    assert names(cluster) == ["db-0", "db-1", "db-2"]
    assert cluster.get("pod", "db-1")["spec"]["hostname"] == "db-1"
    uid = cluster.get("pod", "db-1")["metadata"]["uid"]
    cluster.delete("pod", "db-1")
    assert cluster.get("pod", "db-1")["metadata"]["uid"] != uid
    cluster.apply(STATEFULSET.replace("replicas: 3", "replicas: 1"))
    assert names(cluster) == ["db-0"]


def test_a_statefulset_waits_for_each_pod_before_it_starts_the_next() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(STATEFULSET.replace("spec: {containers", "spec: {nodeSelector: {disk: ssd}, containers"))
    assert names(cluster) == ["db-0"]
    cluster.apply(
        STATEFULSET.replace("name: db}", "name: par}").replace(
            "replicas: 3", "replicas: 3\n  podManagementPolicy: Parallel"
        )
    )
    assert names(cluster) == ["db-0", "par-0", "par-1", "par-2"]


def test_a_job_starts_a_pod_and_keeps_it_when_the_job_goes_on() -> None:
    cluster = Cluster(nodes=1)
    cluster.apply(JOB)
    (pod,) = cluster.get("pods")
    assert pod["metadata"]["name"].startswith("sum-")
    assert _status(cluster, "job", "sum")["active"] == 1
    cluster.delete("job", "sum")
    cluster.advance(30)
    assert names(cluster) == []


def test_a_replicaset_adopts_a_pod_that_fits_and_deletes_what_is_too_much() -> None:
    cluster = Cluster(nodes=1)
    spec = {"containers": [{"name": "c", "image": "nginx"}]}
    named = {"name": "mine", "labels": {"app": "web"}}
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": named, "spec": spec})
    template = {"metadata": {"labels": {"app": "web"}}, "spec": spec}
    wanted = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    cluster.apply({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web"}, "spec": wanted})
    [pod] = cluster.get("pods")
    assert (pod["metadata"]["name"], pod["metadata"]["ownerReferences"][0]["name"]) == ("mine", "web")
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {**named, "name": "late"}, "spec": spec})
    cluster.advance(60)
    assert [p["metadata"]["name"] for p in cluster.get("pods")] == ["mine"]
