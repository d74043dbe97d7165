# expect: kept
"""To change its families a Service is made again."""


def solve(exercise):
    names = exercise.variant
    service = names["service"]
    exercise.cluster.delete("service", service)
    ports = [{"port": names["port"]}]
    spec = {"ipFamilyPolicy": "PreferDualStack", "selector": {"app": service}, "ports": ports, "clusterIP": "10.96.7.7"}
    exercise.cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": service}, "spec": spec})
    exercise.cluster.node(names["place.near"]).run(names["fault.mend"])
    exercise.answer("node", names["place.near"])
