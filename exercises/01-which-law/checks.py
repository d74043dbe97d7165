"""The laws are asked one packet at a time, at the start and at the end."""

from itertools import permutations

from k8slearn.explain import ENDS
from k8slearn.grading.checks import Failed, Work, check, hint

PODS = ("client", "near", "far")


def conversations(work: Work):
    """Every Pod asks every other one: (sender's Pod, trace)."""
    for one, other in permutations([work.variant[which] for which in PODS], 2):
        yield pod(work, one), work.trace(f"default/{one}", f"default/{other}", work.variant["port"])


def pod(work: Work, name: str) -> dict:
    found = [p for p in work.cluster.get("pods") if p["metadata"]["name"] == name]
    if not found or not found[0]["status"].get("podIP"):
        raise Failed(f"There is no Pod {name} with an address.")
    return found[0]


@check("law", asks="You know which law is broken.")
def law(work: Work) -> None:
    work.chose("law", work.variant["fault.law"], "Ask a question of each law, and see which has another answer.")


@check("witness", points=2, asks="Your witness shows it: a packet that the law speaks of, and the step that decides.")
def witness(work: Work) -> None:
    trace, step = work.evidence("witness")
    pods = {f"default/{work.variant[which]}" for which in PODS}
    senders = {"node:node-1", "node:node-2"} if work.variant["fault.law"] == 2 else pods
    if trace.source not in senders or trace.destination not in pods:
        said = f"The law that is broken does not speak of {trace.source} and {trace.destination}."
        raise Failed(said, "Between whom does it promise something?")
    wanted = ("nat",) if work.variant["fault.law"] == 3 else ENDS
    if step.what not in wanted:
        raise Failed(f"That step decides nothing; it says: {step.says}", f"Look for a step {' or '.join(wanted)}.")


@check("laws", points=2, asks="All three laws hold.")
def laws(work: Work) -> None:
    for sender, trace in conversations(work):
        if trace.outcome != "connected":
            raise Failed(f"Law 1 is broken.\n{trace.explain()}")
        if trace.source_seen != sender["status"]["podIP"]:
            raise Failed(f"Law 3 is broken: {trace.destination} sees {trace.source_seen} for {trace.source}.")
    for which in PODS:
        found = pod(work, work.variant[which])
        work.connects(f"node:{found['spec']['nodeName']}", f"default/{work.variant[which]}", work.variant["port"])


@check("outside", asks="Every Pod reaches the world outside, as before.")
def outside(work: Work) -> None:
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")
    for which in PODS:
        hint = "Towards the world outside a Pod's address has to be hidden: it knows no way back to it."
        work.connects(f"default/{work.variant[which]}", "outside", 80, hint=hint)


@check("same", asks="The Pods are the same.")
def same(work: Work) -> None:
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")
    for which in PODS:
        name = work.variant[which]
        if pod(work, name)["metadata"]["uid"] != work.at(work.started).get("pod", name)["metadata"]["uid"]:
            raise Failed(f"{name} is another Pod than before.", "What was typed was typed on the node.")


@hint
def now(work: Work) -> str:
    """What each law's packets come to, as things stand."""
    talks = list(conversations(work))
    through = sum(trace.outcome == "connected" for _, trace in talks)
    honest = sum(trace.source_seen == sender["status"]["podIP"] for sender, trace in talks)
    names = [work.variant[which] for which in PODS]
    nodes = {name: f"node:{pod(work, name)['spec']['nodeName']}" for name in names}
    agents = sum(work.trace(nodes[n], f"default/{n}", work.variant["port"]).outcome == "connected" for n in names)
    return (
        f"As things stand: of {len(talks)} conversations between Pods {through} connect, in {honest} the sender's own "
        f"address arrives; of {len(names)} Pods {agents} are reached by their node."
    )
