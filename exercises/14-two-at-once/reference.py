"""The selector as the Pods have it, and what was typed on the node taken back."""


def solve(exercise):
    names = exercise.variant
    labels = f'{{"spec": {{"selector": {{"app": "{names["service"]}"}}}}}}'
    exercise.cluster.kubectl(f"patch service {names['service']} -p '{labels}'")
    exercise.cluster.node(names["fault.on"]).run(names["fault.mend"])


def solve_the_node_first(exercise):
    names = exercise.variant
    exercise.cluster.node(names["fault.on"]).run(names["fault.mend"])
    labels = f'{{"spec": {{"selector": {{"app": "{names["service"]}"}}}}}}'
    exercise.cluster.kubectl(f"patch service {names['service']} -p '{labels}'")
