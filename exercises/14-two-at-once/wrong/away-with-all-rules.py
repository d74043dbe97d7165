# expect: kept-away
"""Rules that somebody typed on a node are never meant."""


def solve(exercise):
    names = exercise.variant
    labels = f'{{"spec": {{"selector": {{"app": "{names["service"]}"}}}}}}'
    exercise.cluster.kubectl(f"patch service {names['service']} -p '{labels}'")
    exercise.cluster.node(names["fault.on"]).run(names["fault.mend"])
    exercise.cluster.node(names["place.far"]).run("iptables -F FORWARD")
