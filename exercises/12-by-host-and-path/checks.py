"""Asked are requests from outside: who answers them, and who does not."""

from k8slearn.grading.checks import Failed, Work, check, hint


def asked(work: Work, path: str, host: str = ""):
    """A visitor's request through the controller's node port."""
    service = work.cluster.get("service", "ingress-nginx-controller", namespace="ingress-nginx")
    port = service["spec"]["ports"][0]["nodePort"]
    url = f"http://{host or work.variant['host']}{path}"
    return work.cluster.request("outside", url, connect_to=f"node:node-1:{port}")


def answered(work: Work, path: str, by: str, hint: str = "") -> None:
    answer = asked(work, path)
    if answer.status != 200 or answer.answered_by != f"default/{by}":
        raise Failed(f"{path} is to be answered by {by}.\n{answer.explain()}", hint)


@check("path", points=2, asks="The path and what is below it go to the one Service.")
def path(work: Work) -> None:
    for end in ("", "/", "/7"):
        answered(
            work, f"/{work.variant['path']}{end}", work.variant["front"], "Which port has the Service, which class?"
        )


@check("rest", points=2, asks="Every other path goes to the other Service.")
def rest(work: Work) -> None:
    for end in ("/", "/about", f"/{work.variant['path']}s", f"/x/{work.variant['path']}"):
        answered(work, end, work.variant["rest"], "What does pathType say?")


@check("hosts", asks="Another host is answered by neither.")
def hosts(work: Work) -> None:
    if not work.inputs:
        raise Failed("You have not done anything to the cluster yet.")
    for end in ("/", f"/{work.variant['path']}"):
        answer = asked(work, end, "elsewhere.example")
        if answer.answered_by and answer.answered_by.startswith("default/"):
            raise Failed(
                f"elsewhere.example{end} is answered by {answer.answered_by}.", "What does a rule without a host mean?"
            )


@hint
def now(work: Work) -> str:
    """Who answers which path as things stand."""
    tried = ("/", f"/{work.variant['path']}", f"/{work.variant['path']}/7", f"/{work.variant['path']}s")
    told = [f"{end} {(a := asked(work, end)).status} {a.answered_by or ''}".strip() for end in tried]
    return f"As things stand: {', '.join(told)}."
