"""One law broken, the others whole, and a packet that shows it."""

from itertools import permutations

from k8slearn.explain import ENDS
from k8slearn.grading.checks import Failed, Work, check, hint

NODES = ("node-1", "node-2", "node-3")


def conversations(work: Work):
    """Every Pod asks every other one: (source, destination, trace)."""
    pods = [f"default/{work.variant[which]}" for which in ("one", "two", "three")]
    for source, destination in permutations(pods, 2):
        yield source, destination, work.trace(source, destination, work.variant["port"])


def touched(work: Work) -> None:
    """What holds because nobody did anything is nobody's merit."""
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")


def pod(work: Work, endpoint: str) -> dict:
    return work.cluster.get("pod", endpoint.partition("/")[2])


@check("law-1-broken", asks="Law 1 is broken: some Pod does not reach some other Pod.")
def law_1_broken(work: Work) -> None:
    if all(trace.outcome == "connected" for _, _, trace in conversations(work)):
        raise Failed(
            "Every Pod still reaches every Pod.", "What does a node look at to know the way to another's Pods?"
        )


@check("law-2-holds", asks="Law 2 holds: the agents of every node reach its own Pods.")
def law_2_holds(work: Work) -> None:
    touched(work)
    for which in ("one", "two", "three"):
        name = f"default/{work.variant[which]}"
        node = pod(work, name)["spec"]["nodeName"]
        work.connects(f"node:{node}", name, work.variant["port"], hint="Break the way between nodes, not within one.")


@check("law-3-holds", asks="Law 3 holds: whoever gets through is seen with its own address.")
def law_3_holds(work: Work) -> None:
    touched(work)
    for source, destination, trace in conversations(work):
        own = pod(work, source)["status"]["podIP"]
        if trace.source_seen not in (None, own):
            said = f"{destination} sees {trace.source_seen}, and {source} has {own}."
            raise Failed(said, "Which rule of yours rewrites the source?")


@check("nodes-reach", asks="The nodes still reach each other.")
def nodes_reach(work: Work) -> None:
    touched(work)
    for source, destination in permutations(NODES, 2):
        work.connects(f"node:{source}", f"node:{destination}", 10250, hint="The Pods' way is a row of its own.")


@check("witness", points=2, asks="Your witness shows it: a packet between Pods, and the step at which it ended.")
def witness(work: Work) -> None:
    trace, step = work.evidence("witness")
    if not {trace.source, trace.destination} <= set(work.pods("default")):
        raise Failed("Law 1 speaks of Pods: the witness goes from one Pod to another.")
    if trace.outcome == "connected":
        raise Failed(f"This packet gets through, so it shows nothing.\n{trace.explain()}")
    if step.what not in ENDS:
        raise Failed(
            f"That step is not where it ended; it says: {step.says}", "Look for the step that drops or refuses."
        )


@hint
def now(work: Work) -> str:
    """Who reaches whom, and seen as whom, as things stand."""
    return work.meetings(work.variant["port"])
