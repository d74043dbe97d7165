# expect: witness
"""The witness is the packet, whichever step."""


def evidence(exercise, what=("drop", "refuse")):
    """The step at which the connection ended."""
    names = exercise.variant
    trace = exercise.cluster.trace(f"default/{names['client']}", f"default/{names['server']}", names["port"])
    step = next(s["n"] for s in trace.to_dict()["steps"] if s["what"] in what)
    asked = {"source": trace.source, "destination": trace.destination, "port": trace.port}
    exercise.answer("witness", {**asked, "revision": exercise.cluster.journal.revision, "step": step})


def address(exercise, which):
    return exercise.cluster.get("pod", exercise.variant[which])["status"]["podIP"]


def solve(exercise):
    names = exercise.variant
    match = f"-s {address(exercise, 'client')} -d {address(exercise, 'server')} -p tcp --dport {names['port']}"
    exercise.cluster.node(names["place.far"]).run(f"iptables -I FORWARD {match} -j DROP")
    evidence(exercise, ("send",))
