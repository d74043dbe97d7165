"""A range that holds the Pods and the nodes, and the old rule taken away by hand."""

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
    cluster.advance(seconds=10)


def solve_the_rule_first(exercise):
    """The order does not matter."""
    names, cluster = exercise.variant, exercise.cluster
    exercise.answer("seen", "the bridge of its own node")
    for name in ("node-1", "node-2"):
        node = cluster.node(name)
        rules = node.run("iptables -t nat -S POSTROUTING").stdout.splitlines()
        old = next(line for line in rules if "kubenet" in line)
        node.run("iptables -t nat " + old.replace("-A", "-D", 1))
        node.run("tee /var/lib/kubelet/kubeadm-flags.env", stdin=FLAGS.format(names["ranges.wide"]))
        node.run("systemctl restart kubelet")
    cluster.advance(seconds=10)
