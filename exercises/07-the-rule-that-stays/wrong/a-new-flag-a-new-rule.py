# expect: pods
"""The kubelet takes its old rule away."""

FLAGS = 'KUBELET_KUBEADM_ARGS="--network-plugin=kubenet --non-masquerade-cidr={}"\n'


def solve(exercise):
    names, cluster = exercise.variant, exercise.cluster
    exercise.answer("seen", "the bridge of its own node")
    for name in ("node-1", "node-2"):
        node = cluster.node(name)
        node.run("tee /var/lib/kubelet/kubeadm-flags.env", stdin=FLAGS.format(names["ranges.wide"]))
        node.run("systemctl restart kubelet")
    cluster.advance(seconds=10)
