# expect: both
"""The network is one: what works with IPv4 works with IPv6."""


def solve(exercise):
    wish = '{"spec": {"ipFamilyPolicy": "PreferDualStack"}}'
    exercise.cluster.kubectl(f"patch service {exercise.variant['service']} -p '{wish}'")
    exercise.answer("node", exercise.variant["place.near"])
