# expect: node
"""The fault is where the answer should come from."""


def solve(exercise):
    wish = '{"spec": {"ipFamilyPolicy": "PreferDualStack"}}'
    exercise.cluster.kubectl(f"patch service {exercise.variant['service']} -p '{wish}'")
    exercise.cluster.node(exercise.variant["place.near"]).run(exercise.variant["fault.mend"])
    exercise.answer("node", exercise.variant["place.far"])
