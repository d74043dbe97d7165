"""Two paths under one host."""


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
    exercise.cluster.apply(ingress(exercise))


def solve_on_the_command_line(exercise):
    """kubectl writes the same; a star at the end of a path means Prefix."""
    n = exercise.variant
    first, then = f"{n['host']}/{n['path']}*={n['front']}:{n['front_port']}", f"{n['host']}/*={n['rest']}:80"
    exercise.cluster.kubectl(f"create ingress web --class=nginx --rule='{first}' --rule='{then}'")
