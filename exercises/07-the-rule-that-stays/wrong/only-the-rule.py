# expect: stays
"""What is wrong is the rule, and only the rule."""

FLAGS = 'KUBELET_KUBEADM_ARGS="--network-plugin=kubenet --non-masquerade-cidr={}"\n'


def solve(exercise):
    names, cluster = exercise.variant, exercise.cluster
    exercise.answer("seen", "the bridge of its own node")
    for name in ("node-1", "node-2"):
        node = cluster.node(name)
        for line in node.run("iptables -t nat -S POSTROUTING").stdout.splitlines():
            if "! -d 10.0.0.0/8" in line:
                node.run("iptables -t nat " + line.replace("-A", "-D", 1))
                node.run("iptables -t nat " + line.replace("10.0.0.0/8", names["ranges.wide"]))
    cluster.advance(seconds=10)
