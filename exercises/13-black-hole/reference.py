"""The link that the trace names is made as wide as the others."""


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
    exercise.answer("machine", names["place.bad"])
    exercise.answer("size", names["mtu"])
    exercise.cluster.switch().run(f"ip link set {names['place.bad']} mtu 1500")


def solve_with_room_to_spare(exercise):
    """Jumbo frames at the switch do no harm: what is sent is as long as the senders' own links say."""
    names = exercise.variant
    evidence(exercise)
    exercise.answer("machine", names["place.bad"])
    exercise.answer("size", names["mtu"])
    exercise.cluster.switch().run("ip link set br0 mtu 9000")
    exercise.cluster.switch().run(f"ip link set {names['place.bad']} mtu 9000")
