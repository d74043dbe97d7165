"""Evidence is a step that drops because of the narrow link; mended is what lets long packets pass again."""

from itertools import permutations

from k8slearn.grading.checks import Failed, Work, check, hint


@check("machine", asks="You know on which way long packets vanish.")
def machine(work: Work) -> None:
    work.chose("machine", work.variant["place.bad"], "Between which two nodes do long pages pass?")


@check("size", asks="You know how many bytes the narrow link takes.")
def size(work: Work) -> None:
    work.chose("size", work.variant["mtu"], "The step that drops a packet says it.")


@check("where", points=2, asks="Your evidence shows it: the step at which a long answer ended.")
def where(work: Work) -> None:
    _, step = work.evidence("where")
    if step.what != "drop" or step.because is None or step.because.key != ("switch", "link", work.variant["place.bad"]):
        said = f"That step is not where a packet was too long; it says: {step.says}"
        raise Failed(said, "Look for the step that drops, and for the link that it names.")


@check("mended", points=2, asks="Every Pod gets long pages from every Pod, and long packets pass between all nodes.")
def mended(work: Work) -> None:
    for source, by in permutations(work.pods("default"), 2):
        address = work.cluster.get("pod", by.partition("/")[2])["status"]["podIP"]
        answer = work.cluster.request(source, f"http://{address}:{work.variant['port']}/bytes/8000")
        if answer.status != 200:
            raise Failed(f"A long page from {by} does not reach {source}.\n{answer.explain()}")
    port = work.cluster.world.get(("switch", "link", work.variant["place.bad"]))
    if port is None or port.mtu < 1500:
        raise Failed("The Pods have learned to send less, and the cable is as narrow as before: others use it too.")


@hint
def now(work: Work) -> str:
    """Whose long pages arrive, as things stand."""
    hang = []
    for source, by in permutations(work.pods("default"), 2):
        address = work.cluster.get("pod", by.partition("/")[2])["status"]["podIP"]
        if work.cluster.request(source, f"http://{address}:{work.variant['port']}/bytes/8000").status != 200:
            hang.append(f"{by} to {source}")
    return f"Pages of 8000 bytes that hang as things stand: {', '.join(hang) or 'none'}. What do these have in common?"
