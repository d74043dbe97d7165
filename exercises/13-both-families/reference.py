"""The policy that adds a family, and what was broken is put back."""


def family(exercise):
    wish = '{"spec": {"ipFamilyPolicy": "PreferDualStack"}}'
    exercise.cluster.kubectl(f"patch service {exercise.variant['service']} -p '{wish}'")


def mend(exercise):
    exercise.cluster.node(exercise.variant["place.near"]).run(exercise.variant["fault.mend"])


def solve(exercise):
    family(exercise)
    mend(exercise)
    exercise.answer("node", exercise.variant["place.near"])


def solve_with_both_named(exercise):
    mend(exercise)
    wish = '{"spec": {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv4", "IPv6"]}}'
    exercise.cluster.kubectl(f"patch service {exercise.variant['service']} -p '{wish}'")
    exercise.answer("node", exercise.variant["place.near"])
