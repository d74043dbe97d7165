"""How fast a pod may be: its annotations, the capability, the plugin, the queues."""

from __future__ import annotations

from k8slearn import Cluster


def test_annotations_limit_how_fast_a_pod_is_where_the_plugin_bandwidth_is_in_the_list() -> None:
    plugins = [
        {"type": "ptp", "ipam": {"type": "host-local", "subnet": "{{.PodCIDR}}", "routes": [{"dst": "0.0.0.0/0"}]}},
        {"type": "bandwidth", "capabilities": {"bandwidth": True}},
    ]
    cluster = Cluster(nodes=1, network={"cniVersion": "1.0.0", "name": "slow", "plugins": plugins})
    slow = {"kubernetes.io/ingress-bandwidth": "10M", "kubernetes.io/egress-bandwidth": "2M"}
    for name, told in {"slow": slow, "odd": {"kubernetes.io/egress-bandwidth": "5"}, "free": {}}.items():
        spec = {"containers": [{"name": "m", "image": "nginx"}]}
        metadata = {"name": name, "annotations": told}
        cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    shown = cluster.node("node-1").run("tc qdisc").stdout
    assert "rate 10Mbit burst" in shown
    assert "rate 2Mbit burst 55834573b lat 1.92e+03s" in shown, "the burst overflows, as with the reference plugin"
    assert shown.count("tbf") == 2
    said = [e["message"] for e in cluster.get("events") if e["reason"] == "FailedCreatePodSandBox"]
    assert "get cni namespace options: resource is unreasonably small (< 1kbit)" in said[0]
    cluster.delete("pod", "slow")
    assert "tbf" not in cluster.node("node-1").run("tc qdisc").stdout
