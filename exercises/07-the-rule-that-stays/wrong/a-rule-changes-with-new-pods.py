# expect: same
"""Pods take over new flags when they are made anew."""

FLAGS = 'KUBELET_KUBEADM_ARGS="--network-plugin=kubenet --non-masquerade-cidr={}"\n'


def solve(exercise):
    names, cluster = exercise.variant, exercise.cluster
    exercise.answer("seen", "the bridge of its own node")
    for name in ("node-1", "node-2"):
        node = cluster.node(name)
        node.run("tee /var/lib/kubelet/kubeadm-flags.env", stdin=FLAGS.format(names["ranges.wide"]))
        node.run("systemctl restart kubelet")
        for line in node.run("iptables -t nat -S POSTROUTING").stdout.splitlines():
            if "! -d 10.0.0.0/8" in line:
                node.run("iptables -t nat " + line.replace("-A", "-D", 1))
    cluster.kubectl(f"delete pod {exercise.variant['client']} --now")
    cluster.advance(seconds=5)
    args = ["netexec", f"--http-port={exercise.variant['port']}"]
    container = {"name": "app", "image": "registry.k8s.io/e2e-test-images/agnhost:2.53", "args": args}
    spec = {"nodeName": exercise.variant["place.near"], "containers": [container]}
    meta = {"name": exercise.variant["client"]}
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    cluster.advance(seconds=10)
