# expect: there
"""What does not work is deleted."""


def solve(exercise):
    exercise.cluster.node(exercise.variant["place.node"]).run(f"rm /etc/cni/net.d/{exercise.variant['file']}")
    exercise.cluster.kubectl(f"delete pod {exercise.variant['late']} --now")
    exercise.cluster.advance(seconds=15)
