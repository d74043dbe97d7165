"""``kubectl version``, ``cluster-info``, ``api-resources``, ``api-versions``: about the cluster itself.

Left out: ``cluster-info dump``, ``explain``, ``top``.
"""

from __future__ import annotations

from k8slearn.api import kinds, selectors
from k8slearn.linux.program import Result
from k8slearn.shell.kubectl import written
from k8slearn.shell.kubectl.command import Doing, Flag, Kubectl, Request, fail, switch
from k8slearn.shell.kubectl.tabs import table

SETTINGS = ("cluster", "settings", "")
KUSTOMIZE = "v5.7.1"


def version(request: Request) -> Doing:
    """``kubectl version``."""
    yield from ()
    settings = request.world.get(SETTINGS)
    number = f"v{settings.kubernetes if settings is not None else '1.37'}.0"
    if request.flags["output"] in ("yaml", "json"):
        found = {w: {"gitVersion": number} for w in ("clientVersion", "serverVersion")}
        show = written.as_yaml if request.flags["output"] == "yaml" else written.as_json
        return Result(show({**found, "kustomizeVersion": KUSTOMIZE}))
    server = "" if request.flags["client"] else f"Server Version: {number}\n"
    return Result(f"Client Version: {number}\nKustomize Version: {KUSTOMIZE}\n{server}")


def cluster_info(request: Request) -> Doing:
    """``kubectl cluster-info``."""
    yield from ()
    if request.words:
        fail("error: `kubectl cluster-info dump` is not modelled: save the cluster, or get all objects with -A -o yaml")
    settings = request.world.get(SETTINGS)
    server = f"https://{settings.nodes[0][1] if settings is not None else '127.0.0.1'}:6443"
    out = f"Kubernetes control plane is running at {server}\n"
    services = request.world.table("api", "services")
    for key in sorted(services, key=str):
        service = services[key]
        having = selectors.labels(service)
        if having.get("kubernetes.io/cluster-service") == "true":
            metadata = service["metadata"]
            port = next((f":{p['name']}" for p in service["spec"].get("ports") or () if p.get("name")), "")
            name = having.get("kubernetes.io/name") or metadata["name"]
            path = f"/api/v1/namespaces/{metadata['namespace']}/services/{metadata['name']}{port}/proxy"
            out += f"{name} is running at {server}{path}\n"
    return Result(f"{out}\nTo further debug and diagnose cluster problems, use 'kubectl cluster-info dump'.\n")


def api_resources(request: Request) -> Doing:
    """``kubectl api-resources``."""
    yield from ()
    only = request.flags["namespaced"]
    group = request.flags["api-group"]
    found = sorted(kinds.every(request.world), key=lambda k: (k.group, k.plural))
    found = [k for k in found if not only or (only == "true") == k.namespaced]
    found = [k for k in found if "api-group" not in request.given or k.group == group]
    if request.flags["output"] == "name":
        return Result("".join(f"{k.resource}\n" for k in found))
    rows = [] if request.flags["no-headers"] else [["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"]]
    for k in found:
        rows.append([k.plural, ",".join(k.short), k.api_version, "true" if k.namespaced else "false", k.kind])
    return Result(table(rows))


def api_versions(request: Request) -> Doing:
    """``kubectl api-versions``."""
    yield from ()
    return Result("".join(f"{v}\n" for v in sorted({k.api_version for k in kinds.every(request.world)})))


COMMANDS: dict[str, Kubectl] = {
    "version": Kubectl(version, {"output": Flag("o"), "client": switch()}),
    "cluster-info": Kubectl(cluster_info),
    "api-resources": Kubectl(
        api_resources,
        {
            "output": Flag("o"),
            "namespaced": Flag(takes=False),
            "api-group": Flag(),
            "no-headers": switch(),
            "verbs": Flag(instead="every kind here has the usual verbs"),
            "cached": switch(idle="the API server answers at once"),
            "sort-by": Flag(),
        },
    ),
    "api-versions": Kubectl(api_versions),
}
