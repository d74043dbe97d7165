"""Two dots are enough for a name to be tried as it stands; one is not."""


def again(exercise, **spec):
    """The same Pod, made anew with something else in its spec."""
    names = exercise.variant
    pod = exercise.cluster.get("pod", names["client"], names["own"])
    exercise.cluster.kubectl(f"delete pod {names['client']} -n {names['own']} --now")
    exercise.cluster.advance(seconds=5)
    wanted = {
        "nodeName": pod["spec"]["nodeName"],
        "containers": [{name: c[name] for name in ("name", "image", "args")} for c in pod["spec"]["containers"]],
    }
    kept = {name: pod["metadata"][name] for name in ("name", "namespace", "labels")}
    exercise.cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": kept, "spec": wanted | spec})


def solve(exercise):
    again(exercise, dnsConfig={"options": [{"name": "ndots", "value": "2"}]})


def solve_by_writing_all_of_it(exercise):
    """The whole file by one's own hand: more than was needed, and as good."""
    own = exercise.variant["own"]
    searches = [f"{own}.svc.cluster.local", "svc.cluster.local", "cluster.local"]
    server = exercise.cluster.get("service", "kube-dns", "kube-system")["spec"]["clusterIP"]
    options = [{"name": "ndots", "value": "2"}]
    config = {"nameservers": [server], "searches": searches, "options": options}
    again(exercise, dnsPolicy="None", dnsConfig=config)
