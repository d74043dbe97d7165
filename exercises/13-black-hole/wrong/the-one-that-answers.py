# expect: machine
"""The fault is with whoever should have answered."""


def evidence(exercise):
    """The step at which a long page ends, of whichever Pods it is between."""
    names, cluster = exercise.variant, exercise.cluster
    for source, by in ((names["client"], names["server"]), (names["server"], names["client"])):
        url = f"http://{cluster.get('pod', by)['status']['podIP']}:{names['port']}/bytes/8000"
        answer = cluster.request(f"default/{source}", url)
        if answer.status != 200:
            break
    step = next(s["n"] for s in answer.first.to_dict()["steps"] if s["what"] == "drop")
    exercise.answer(
        "where", {"source": f"default/{source}", "url": url, "revision": cluster.journal.revision, "step": step}
    )


def solve(exercise):
    names = exercise.variant
    evidence(exercise)
    exercise.answer("machine", names["place.other"])
    exercise.answer("size", names["mtu"])
    exercise.cluster.switch().run(f"ip link set {names['place.bad']} mtu 1500")
