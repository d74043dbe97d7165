"""Measured is what a transfer takes: in the one direction as long as the rate says, in every other no time."""

from k8slearn.grading.checks import Failed, Work, check, hint

SIZE = 250_000


def seconds(work: Work, to: str, by: str) -> float:
    """How long the Pod `to` waits for a quarter of a million bytes that the Pod `by` sends."""
    server = work.cluster.get("pod", work.variant[by])["status"].get("podIP")
    url = f"http://{server}:{work.variant['port']}/bytes/{SIZE}"
    answer = work.cluster.request(f"default/{work.variant[to]}", url)
    if answer.status != 200:
        raise Failed(f"{work.variant[to]} no longer gets its bytes from {work.variant[by]}.\n{answer.explain()}")
    return answer.attempt.seconds


def as_fast_as_before(work: Work, to: str, by: str) -> None:
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")
    took = seconds(work, to, by)
    if took > 0.1:
        said = f"{work.variant[to]} waits {took:.1f} seconds for a quarter of a million bytes from {work.variant[by]}."
        raise Failed(said, "A queue limits what leaves its device: by whom do these bytes leave?")


@check("receives", points=2, asks="The Pod receives at the rate that was asked for, whoever sends.")
def receives(work: Work) -> None:
    wanted = SIZE * 8 / (work.variant["rate"] * 1_000_000)
    for by in ("near", "far"):
        took = seconds(work, "slow", by)
        if not 0.85 * wanted < took < 1.2 * wanted:
            said = f"{work.variant['slow']} waits {took:.2f} seconds for {SIZE} bytes from {work.variant[by]}."
            raise Failed(said, "Which device do they leave by, and is the rate in bits or in bytes?")


@check("sends", asks="What the Pod sends is as fast as before.")
def sends(work: Work) -> None:
    as_fast_as_before(work, "far", "slow")


@check("others", asks="The other Pods receive as fast as before.")
def others(work: Work) -> None:
    as_fast_as_before(work, "near", "far")
    as_fast_as_before(work, "far", "near")


@check("seconds", asks="You know how long a quarter of a million bytes take.")
def waits(work: Work) -> None:
    work.chose(
        "seconds", SIZE * 8 // (work.variant["rate"] * 1_000_000), "How many bits are a quarter of a million bytes?"
    )


@hint
def now(work: Work) -> str:
    """What each transfer takes as things stand."""
    pairs = (("slow", "near"), ("slow", "far"), ("far", "slow"), ("near", "far"))
    told = [f"{work.variant[to]} from {work.variant[by]} {seconds(work, to, by):.2f} s" for to, by in pairs]
    return f"As things stand, {SIZE} bytes take: {', '.join(told)}. Which of these are to change?"
