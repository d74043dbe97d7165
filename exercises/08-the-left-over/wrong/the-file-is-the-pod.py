# expect: every-pod
"""With the configuration gone, its Pods are wired anew."""


def solve(exercise):
    exercise.cluster.node(exercise.variant["place.node"]).run(f"rm /etc/cni/net.d/{exercise.variant['file']}")
    exercise.cluster.advance(seconds=15)
