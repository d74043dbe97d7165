"""Each answer is what a copy of the cluster, as the learner found it, does."""

from k8slearn.grading.checks import Failed, Work, check, hint


class Copy:
    """The cluster as the learner found it, to try things in."""

    def __init__(self, work: Work) -> None:
        self.names = work.variant
        self.cluster = work.cluster.at(work.started)

    def fates(self, destination: str = ""):
        """Every end of a connection of the client's."""
        client, port = f"default/{self.names['client']}", self.names["port"]
        return self.cluster.trace(client, destination or f"svc:default/{self.names['service']}", port).fates()

    def answerer(self) -> str:
        """The one Pod that may answer."""
        (name,) = {str(fate.answered_by).partition("/")[2] for fate in self.fates()}
        return name

    def without_the_steady_one(self) -> None:
        self.cluster.kubectl(f"label pod {self.names['moody.steady']} app-")


@check("now", asks="You know who is asked while somebody is ready.")
def now(work: Work) -> None:
    work.chose("now", Copy(work).answerer(), "Which conditions has each of them in the EndpointSlice?")


@check("itself", asks="You know that a Pod which leaves is still there.")
def itself(work: Work) -> None:
    outcome = Copy(work).fates(f"default/{work.variant['moody.leaving']}")[0].outcome
    work.chose("itself", outcome, "Is it only out of the list, or out of the network too?")


@check("without", asks="You know the second choice.")
def without(work: Work) -> None:
    copy = Copy(work)
    copy.without_the_steady_one()
    work.chose("without", copy.answerer(), "Nobody is ready. Who serves all the same?")


@check("nobody", asks="You know what a client sees when nobody is left.")
def nobody(work: Work) -> None:
    copy = Copy(work)
    copy.without_the_steady_one()
    copy.cluster.advance(seconds=work.variant["grace"] + 5)
    work.chose("nobody", copy.fates()[0].outcome, "What does kube-proxy write for a Service that has nobody?")


@check("published", asks="You know what publishNotReadyAddresses asks for.")
def published(work: Work) -> None:
    copy = Copy(work)
    spec = '{"spec": {"publishNotReadyAddresses": true}}'
    copy.cluster.kubectl(f"patch service {work.variant['service']} -p '{spec}'")
    work.chose("published", len(copy.fates()), "Whose address is published then, and as what?")


@hint
def conditions(work: Work) -> str:
    """The conditions of each endpoint, as things stand."""
    told = []
    for piece in work.cluster.get("endpointslices"):
        if piece["metadata"]["labels"].get("kubernetes.io/service-name") == work.variant["service"]:
            for end in piece.get("endpoints") or ():
                true = [name for name, holds in end["conditions"].items() if holds]
                told.append(f"{end['targetRef']['name']} is {', '.join(true) or 'none of the three'}")
    return f"Of ready, serving and terminating, as things stand: {'; '.join(told) or 'there is no endpoint'}."


@check("foretold", asks="You answered before you did anything to the cluster.")
def foretold(work: Work) -> None:
    touched = work.inputs[0].revision if work.inputs else None
    late = [a.question for a in work.answers.values() if touched is not None and a.revision > touched]
    if late or not work.answers:
        missing = ", ".join(late) or "No answer"
        raise Failed(f"{missing} was not given before the cluster was touched: reset, and predict.")
