"""What died shows in restart counts and events of the cluster as it was found."""

from k8slearn.grading.checks import Work, check, hint


def died(work: Work, name: str) -> str:
    """What the kubelet's own record says about this Pod."""
    found = work.at(work.started)
    if any(e["reason"] == "SandboxChanged" for e in found.get("events") if e["involvedObject"]["name"] == name):
        return "the pause container's process"
    restarts = found.get("pod", name)["status"]["containerStatuses"][0]["restartCount"]
    return "the application's process" if restarts else "nothing"


@check("shared", asks="You know what process 1 is where the process namespace is shared.")
def shared(work: Work) -> None:
    name = work.variant["who.shared"]
    work.chose(name, died(work, name), "`kubectl get events`, and `kubectl exec POD -- ps`.")


@check("server", asks="You know what an application's death costs.")
def server(work: Work) -> None:
    name = work.variant["who.server"]
    work.chose(name, died(work, name), "`kubectl get pods`: RESTARTS.")


@check("sleeper", asks="You know which process 1 a signal does not reach.")
def sleeper(work: Work) -> None:
    name = work.variant["who.sleeper"]
    work.chose(name, died(work, name), "`kubectl get pods`: RESTARTS. Who has a handler for SIGTERM?")


@check("address", asks="You know which death costs a Pod its address.")
def address(work: Work) -> None:
    work.chose("address", work.variant["who.shared"], "The address belongs to the network namespace. Who holds that?")


@hint
def record(work: Work) -> str:
    """Restarts and addresses of the three Pods, as things stand."""
    told = []
    for pod in work.cluster.get("pods"):
        status = pod["status"]
        count = status["containerStatuses"][0]["restartCount"]
        told.append(f"{pod['metadata']['name']} {status.get('podIP')}, started again {count} times")
    return f"As things stand: {'; '.join(told)}. Which of these addresses are out of order?"
