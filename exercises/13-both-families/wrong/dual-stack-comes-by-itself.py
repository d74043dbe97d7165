# expect: both
"""In a dual-stack cluster every Service has both families."""


def solve(exercise):
    exercise.cluster.node(exercise.variant["place.near"]).run(exercise.variant["fault.mend"])
    exercise.answer("node", exercise.variant["place.near"])
