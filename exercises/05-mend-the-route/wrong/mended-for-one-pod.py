# expect: every-pod
"""If the Pod that complained gets through, it is mended."""


def solve(exercise):
    pod = exercise.cluster.get("pod", exercise.variant["server"])["status"]["podIP"]
    node = exercise.cluster.node(exercise.variant["place.near"])
    node.run(f"ip route add {pod}/32 via {exercise.variant['place.via']}")
    exercise.answer("node", exercise.variant["place.near"])
