"""Each number is counted in a copy of the cluster as the learner found it, in which the time really passes."""

from k8slearn.grading.checks import Failed, Work, check, hint

CAME_TOGETHER = "What starts the time: the first connection, or the last one?"


class Copy:
    """The cluster as the learner found it, to try things in."""

    def __init__(self, work: Work) -> None:
        self.names = work.variant
        self.cluster = work.cluster.at(work.started)

    def asks(self, which: str = "client") -> tuple:
        return f"default/{self.names[which]}", f"svc:default/{self.names['service']}", self.names["port"]

    def connect_every(self, *waits: int) -> None:
        """The client connects, and after each of these seconds it does so again."""
        self.given = self.cluster.send(*self.asks()).answered_by
        for seconds in waits:
            self.cluster.advance(seconds=seconds)
            self.given = self.cluster.send(*self.asks()).answered_by

    def answerers(self, which: str = "client", after: int = 0) -> int:
        """By how many Pods this client may be answered then."""
        if after:
            self.cluster.advance(seconds=after)
        return len({fate.answered_by for fate in self.cluster.trace(*self.asks(which)).fates()})


@check("within", asks="You know what affinity promises.")
def within(work: Work) -> None:
    copy = Copy(work)
    copy.connect_every()
    work.chose("within", copy.answerers(after=work.variant["patience"] - 1), "Has the time-out passed?")


@check("renewed", asks="You know what starts the time anew.")
def renewed(work: Work) -> None:
    copy, short = Copy(work), work.variant["patience"] - 1
    copy.connect_every(short)
    work.chose("renewed", copy.answerers(after=short), CAME_TOGETHER)


@check("later", asks="You know when the kernel forgets.")
def later(work: Work) -> None:
    copy, short = Copy(work), work.variant["patience"] - 1
    copy.connect_every(short, short)
    work.chose("later", copy.answerers(after=work.variant["patience"] + 1), CAME_TOGETHER)


@check("neighbour", asks="You know for whom the kernel remembers.")
def neighbour(work: Work) -> None:
    copy = Copy(work)
    copy.connect_every()
    work.chose("neighbour", copy.answerers("neighbour"), "By what does the kernel know a client again?")


@check("gone", asks="You know what becomes of the memory when its Pod goes.")
def gone(work: Work) -> None:
    copy = Copy(work)
    copy.connect_every()
    copy.cluster.kubectl(f"delete pod {copy.given.partition('/')[2]} --now")
    work.chose("gone", copy.answerers(after=5), "Who writes the rules for a Pod, and when does it take them away?")


@hint
def now(work: Work) -> str:
    """What the nodes' lists hold, and whom the client may be given, as things stand."""
    trace = work.trace(
        f"default/{work.variant['client']}", f"svc:default/{work.variant['service']}", work.variant["port"]
    )
    possible = sorted({str(fate.answered_by).partition("/")[2] for fate in trace.fates()})
    return f"As things stand the next connection of {work.variant['client']} may be answered by: {', '.join(possible)}."


@check("foretold", asks="You answered before you did anything to the cluster.")
def foretold(work: Work) -> None:
    touched = work.inputs[0].revision if work.inputs else None
    late = [a.question for a in work.answers.values() if touched is not None and a.revision > touched]
    if late or not work.answers:
        missing = ", ".join(late) or "No answer"
        raise Failed(f"{missing} was not given before the cluster was touched: reset, and predict.")
