# expect: rest
"""What no rule fits is not found; nothing falls through to a Service."""


def ingress(exercise, **changes):
    names = {"host": exercise.variant["host"], "path_type": "Prefix", "port": exercise.variant["front_port"], **changes}
    front = {"service": {"name": exercise.variant["front"], "port": {"number": names["port"]}}}
    paths = [
        {"path": f"/{exercise.variant['path']}", "pathType": names["path_type"], "backend": front},
    ]
    rule = {"http": {"paths": paths}, **({"host": names["host"]} if names["host"] else {})}
    spec = {"ingressClassName": "nginx", "rules": [rule]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"}, "spec": spec}


def solve(exercise):
    exercise.cluster.apply(ingress(exercise))
