# expect: no-more
"""The Pod must carry what the Service asks for."""


def solve(exercise):
    names = exercise.variant
    exercise.cluster.node(names["fault.on"]).run(names["fault.mend"])
    exercise.cluster.kubectl(f"label pod {names['service']}-1 app={names['typo']} --overwrite")
