"""Mended is what holds for every Pod, not for the one that complained."""

from itertools import permutations

from k8slearn.grading.checks import Failed, Work, check, hint


def conversations(work: Work):
    """Every Pod asks every other one."""
    for source, destination in permutations(work.pods("default"), 2):
        yield source, work.trace(source, destination, work.variant["port"])


@check("every-pod", points=2, asks="Every Pod reaches every Pod, new ones too.")
def every_pod(work: Work) -> None:
    pods = {f"default/{work.variant[end]}" for end in ("client", "server")} | {"default/witness"}
    gone = pods - set(work.pods("default"))
    if gone:
        raise Failed(f"{', '.join(sorted(gone))} is gone: mend the network, and leave the Pods.")
    for source, destination in permutations(work.pods("default"), 2):
        work.connects(source, destination, work.variant["port"], hint="Which row is asked, and where does it lead?")


@check("own-address", asks="Whoever gets through is seen with the address of its own Pod.")
def own_address(work: Work) -> None:
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")
    for source, trace in conversations(work):
        own = work.cluster.get("pod", source.partition("/")[2])["status"]["podIP"]
        if trace.source_seen not in (None, own):
            said = f"{trace.destination} sees {trace.source_seen} where {source} has {own}."
            raise Failed(said, "Law 3: which rule of yours rewrites the source?")


@check("node", asks="You know on which node the fault was.")
def node(work: Work) -> None:
    work.chose("node", work.variant["place.near"], "Which machine was the last to do the right thing?")


@hint
def now(work: Work) -> str:
    """Who reaches whom, and seen as whom, as things stand."""
    return work.meetings(work.variant["port"])
