"""Four steps that show four faults, and a cluster in which everything works that should."""

from itertools import permutations

from k8slearn.explain import ENDS
from k8slearn.grading.checks import Failed, Work, check, hint


def pod(work: Work, which: str) -> str:
    return f"default/{work.variant[which]}"


def ended(work: Work, question: str, fits: bool, what: tuple[str, ...] = ENDS) -> None:
    """Fails unless the evidence is of such a conversation, and its step is one that ends it."""
    _, step = work.evidence(question)
    if not fits:
        raise Failed(f"The evidence for {question!r} is of another conversation than the one complained about.")
    if step.what not in what or step.before.is_errand:
        raise Failed(
            f"That step did not end it; it says: {step.says}", f"Look for a step that says: {' or '.join(what)}."
        )


def asked(work: Work, question: str) -> tuple[str, str, int, str]:
    trace, _ = work.evidence(question)
    return trace.source, trace.destination, trace.port, trace.protocol


@check("name", points=2, asks="Evidence: where a question for a name ended.")
def name(work: Work) -> None:
    _, _, port, protocol = asked(work, "name")
    ended(work, "name", (port, protocol) == (53, "UDP"), ("drop",))


@check("service", points=2, asks="Evidence: who refused a connection to the Service.")
def service(work: Work) -> None:
    _, destination, _, _ = asked(work, "service")
    ended(work, "service", destination == f"svc:{pod(work, 'api')}", ("refuse",))


@check("way", points=2, asks="Evidence: where a conversation between the two Pods ended.")
def way(work: Work) -> None:
    source, destination, port, protocol = asked(work, "way")
    ends = {pod(work, "front"), f"{pod(work, 'api')}-1"}
    ended(work, "way", ({source, destination}, port, protocol) == (ends, work.variant["port"], "TCP"), ("drop",))


@check("long", points=2, asks="Evidence: where a long answer ended.")
def long(work: Work) -> None:
    _, step = work.evidence("long")
    ended(work, "long", "url" in work.answer("long").value, ("drop",))
    if step.because is None or step.because.key != ("switch", "link", work.variant["place.third"]):
        raise Failed(f"That step is not where a packet was too long; it says: {step.says}")


@check("meant", asks="What was meant is as it was.")
def meant(work: Work) -> None:
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")
    for source in (pod(work, "front"), f"{pod(work, 'api')}-1"):
        trace = work.trace(source, pod(work, "db"), 5432)
        kept = [s for s in trace.steps if s.because is not None and "meant" in s.because.text]
        if not kept:
            said = (
                f"{source} to port 5432 of {work.variant['db']}: {trace.outcome}, but not by the rule that was meant."
            )
            raise Failed(said, "Which of the rules carried a comment?")


@check("mended", points=4, asks="Everything works: names, Services, Pods, long pages.")
def mended(work: Work) -> None:
    pods = [pod(work, "front"), f"{pod(work, 'api')}-1", pod(work, "db")]
    gone = set(pods) - set(work.pods("default"))
    if gone:
        raise Failed(f"{', '.join(sorted(gone))} is gone.")
    for source, by in permutations(pods, 2):
        work.connects(source, by, work.variant["port"], hint="Look at both directions.")
        address = work.cluster.get("pod", by.partition("/")[2])["status"]["podIP"]
        answer = work.cluster.request(source, f"http://{address}:{work.variant['port']}/bytes/8000")
        if answer.status != 200:
            raise Failed(f"A long page from {by} does not reach {source}.\n{answer.explain()}")
    for source in pods:
        for service in ("api", "db"):
            work.connects(source, work.variant[service], work.variant["port"], hint="The name, the Service, the Pod.")


@hint
def now(work: Work) -> str:
    """What each Pod sees of the name, the Service and the Pod, as things stand."""
    told = []
    for source in (pod(work, "front"), pod(work, "db")):
        wanted = (work.variant["api"], f"svc:{pod(work, 'api')}", f"{pod(work, 'api')}-1")
        seen = [f"{to}: {work.trace(source, to, work.variant['port']).outcome}" for to in wanted]
        told.append(f"{source} sees {', '.join(seen)}")
    return f"As things stand {'; '.join(told)}. Two who see different things have different troubles."
