# expect: pods
"""Only Pods have to see a Pod's own address."""

FLAGS = 'KUBELET_KUBEADM_ARGS="--network-plugin=kubenet --non-masquerade-cidr={}"\n'


def solve(exercise):
    names, cluster = exercise.variant, exercise.cluster
    exercise.answer("seen", "the bridge of its own node")
    for name in ("node-1", "node-2"):
        node = cluster.node(name)
        node.run("tee /var/lib/kubelet/kubeadm-flags.env", stdin=FLAGS.format(names["ranges.narrow"]))
        node.run("systemctl restart kubelet")
        for line in node.run("iptables -t nat -S POSTROUTING").stdout.splitlines():
            if "! -d 10.0.0.0/8" in line:
                node.run("iptables -t nat " + line.replace("-A", "-D", 1))
    cluster.advance(seconds=10)
