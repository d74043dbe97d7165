# expect: where
"""The last step of the trace is where it ended."""


def solve(exercise):
    names = exercise.variant
    url = f"http://{exercise.cluster.get('pod', names['server'])['status']['podIP']}:{names['port']}/bytes/8000"
    first = exercise.cluster.request(f"default/{names['client']}", url).first
    seen = {"source": f"default/{names['client']}", "url": url, "revision": exercise.cluster.journal.revision}
    exercise.answer("where", {**seen, "step": len(first.steps)})
    exercise.answer("machine", names["place.bad"])
    exercise.answer("size", names["mtu"])
    exercise.cluster.switch().run(f"ip link set {names['place.bad']} mtu 1500")
