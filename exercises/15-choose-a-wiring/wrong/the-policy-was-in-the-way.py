# expect: policy
"""What keeps Pods from talking is deleted."""

from k8slearn import manifests


def solve(exercise):
    exercise.cluster.apply(manifests.text("calico"))
    exercise.cluster.advance(seconds=60)
    exercise.cluster.kubectl(f"delete networkpolicy {exercise.variant['db']}")
    exercise.answer("wire", "ipip")
    exercise.answer("why", "policy")
