"""Powers of two."""


def solve(exercise):
    names = exercise.variant
    exercise.answer("nodes", 2 ** (24 - names["pods.bits"]))
    exercise.answer("services", 2 ** (32 - names["services.bits"]) - 2)
    exercise.answer("whose", names["address.network"])


def solve_by_looking(exercise):
    exercise.cluster.kubectl("get nodes -o custom-columns=NODE:.metadata.name,PODS:.spec.podCIDR")
    solve(exercise)
