"""What is written is worked out from the endpoints that are ready; what was measured is what the node remembers."""

from k8slearn.grading.checks import Failed, Work, check, hint


def ready(work: Work) -> int:
    """How many Pods the rules choose among, in the cluster as the learner found it."""
    names = work.variant
    found = work.at(work.started).trace(f"default/{names['client']}", f"svc:default/{names['service']}", names["port"])
    return len(found.fates())


def given(work: Work) -> list[str]:
    """The Pods' addresses that the client's node gave its connections, one for each that it remembers."""
    names, cluster = work.variant, work.cluster
    service = cluster.get("service", names["service"])["spec"]["clusterIP"]
    known = cluster.node(names["place.near"]).run("conntrack -L -p tcp").stdout.splitlines()
    answers = [line.split("src=")[2].split()[0] for line in known if f"dst={service} " in line]
    return answers


def near(work: Work, question: str, right: float, hint: str, slack: float) -> None:
    """Fails unless the answer is this number, or next to it."""
    told = work.answer(question).value
    if not isinstance(told, int | float) or abs(told - right) > slack:
        raise Failed(f"You answered {told}.", hint)


@check("share", asks="You know how much each Pod gets.")
def share(work: Work) -> None:
    near(work, "share", 100 / ready(work), "How many Pods are *ready* behind the Service?", 0.6)


@check("reach", asks="You know how many connections the second rule sees.")
def reach(work: Work) -> None:
    near(work, "reach", 100 * (1 - 1 / ready(work)), "They are asked from the top. What did the first one take?", 0.6)


@check("written", asks="You know what is written in the second rule.")
def written(work: Work) -> None:
    near(work, "written", 1 / (ready(work) - 1), "What it says is a share of what *it* sees.", 0.005)


@check("numbers", asks="You know how nftables mode draws.")
def numbers(work: Work) -> None:
    hint = 'Look for `numgen random mod …`, in a cluster of `cluster.compare(["iptables", "nftables"], …)`.'
    work.chose("numbers", ready(work), hint)


@check("measured", points=2, asks="You measured it, with thirty connections or more.")
def measured(work: Work) -> None:
    seen, names = given(work), work.variant
    if len(seen) < 30:
        said = f"{names['place.near']} remembers {len(seen)} connections to the Service."
        raise Failed(said, "`for _ in range(30): cluster.send(…)`")
    address = work.cluster.get("pod", f"{names['service']}-1")["status"]["podIP"]
    work.chose("measured", seen.count(address), "`conntrack -L -p tcp`: the second src= of a line is whoever answers.")


@hint
def now(work: Work) -> str:
    """What the client's node remembers of the connections so far."""
    seen = given(work)
    counted = [f"{address} {seen.count(address)}" for address in sorted(set(seen))]
    place = work.variant["place.near"]
    return f"{place} remembers {len(seen)} connections to the Service, given to: {', '.join(counted) or 'nobody yet'}."
