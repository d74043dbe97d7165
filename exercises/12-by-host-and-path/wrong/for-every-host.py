# expect: hosts
"""A rule without a host is for every host."""


def ingress(exercise, **changes):
    names = {"host": exercise.variant["host"], "path_type": "Prefix", "port": exercise.variant["front_port"], **changes}
    front = {"service": {"name": exercise.variant["front"], "port": {"number": names["port"]}}}
    rest = {"service": {"name": exercise.variant["rest"], "port": {"number": 80}}}
    paths = [
        {"path": f"/{exercise.variant['path']}", "pathType": names["path_type"], "backend": front},
        {"path": "/", "pathType": "Prefix", "backend": rest},
    ]
    rule = {"http": {"paths": paths}, **({"host": names["host"]} if names["host"] else {})}
    spec = {"ingressClassName": "nginx", "rules": [rule]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"}, "spec": spec}


def solve(exercise):
    exercise.cluster.apply(ingress(exercise, host=""))
