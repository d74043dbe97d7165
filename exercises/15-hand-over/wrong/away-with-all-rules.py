# expect: meant
"""Rules that somebody typed on a node are never meant."""


def point(exercise, question, trace, what, **asked):
    """Hand in the first step of a trace that ended it."""
    step = next(s["n"] for s in trace.to_dict()["steps"] if s["what"] in what)
    exercise.answer(question, {**asked, "revision": exercise.cluster.journal.revision, "step": step})


def evidence(exercise):
    """All four, as the cluster was found; from a place where no other fault hides it."""
    names, cluster = exercise.variant, exercise.cluster
    front, db, port = f"default/{names['front']}", f"default/{names['db']}", names["port"]
    asked = {"source": front, "destination": "svc:kube-system/kube-dns", "port": 53, "protocol": "UDP"}
    point(exercise, "name", cluster.trace(front, asked["destination"], 53, "UDP"), ("drop",), **asked)
    asked = {"source": db, "destination": f"svc:default/{names['api']}", "port": port}
    point(exercise, "service", cluster.trace(db, asked["destination"], port), ("refuse",), **asked)
    asked = {"source": front, "destination": f"default/{names['api']}-1", "port": port}
    point(exercise, "way", cluster.trace(front, asked["destination"], port), ("drop",), **asked)
    url = f"http://{cluster.get('pod', names['db'])['status']['podIP']}:{port}/bytes/8000"
    point(exercise, "long", cluster.request(front, url).first, ("drop",), source=front, url=url)


def mend(exercise):
    names, cluster = exercise.variant, exercise.cluster
    cluster.node(names["place.near"]).run(names["dns.mend"])
    ports = f'{{"spec": {{"ports": [{{"port": {names["port"]}, "targetPort": {names["port"]}}}]}}}}'
    cluster.kubectl(f"patch service {names['api']} -p '{ports}'")
    cluster.node(names["fault.on"]).run(names["fault.mend"])
    cluster.switch().run(f"ip link set {names['place.third']} mtu 1500")


def solve(exercise):
    evidence(exercise)
    mend(exercise)
    for number in (1, 2, 3):
        exercise.cluster.node(f"node-{number}").run("iptables -F FORWARD")
