"""`Cluster`: what people hold. Everything that can be asked of a cluster or done to it is a method here (contract.md).

It decides nothing itself: a method turns what a person typed into an input of the `engine` (or a question to it) and
hands back the answer. The rooms below are imported when they are asked for, so that ``import k8slearn`` stays fast.

Left out (it says so when asked): the wiring cilium.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import k8slearn.settings
from k8slearn import api, endpoints, saving
from k8slearn.components import Settings, Topology
from k8slearn.engine import Engine
from k8slearn.errors import CommandError, Refused
from k8slearn.journal import Input, Journal, World
from k8slearn.linux.faults import Injected, active
from k8slearn.linux.program import Result
from k8slearn.trace import Trace
from k8slearn.verbs import VERBS, Asked

if TYPE_CHECKING:
    from k8slearn.answer import Answer
    from k8slearn.compare import Comparison
    from k8slearn.laws import Law
    from k8slearn.lookups import Looked
    from k8slearn.matrix import Matrix
    from k8slearn.shell.kubectl.attached import Steps
    from k8slearn.shell.learned import Plugin
    from k8slearn.timeline import Timeline
    from k8slearn.widgets.story import Story


@dataclass(frozen=True)
class Place:
    """Somewhere to run a command: a node, a pod (or one of its containers), a host outside. It is an endpoint too."""

    cluster: Cluster
    endpoint: str
    container: str = ""

    def run(self, command: str, stdin: str = "", env: Mapping[str, str] | None = None, container: str = "") -> Result:
        """Run a command here; returns what it printed and how it ended: Result(stdout, stderr, exit_code)."""
        if env is not None and not isinstance(env, Mapping):
            raise Refused(f"env is a dict of names and texts, not {env!r:.80}")
        _must_be_text(command=command, stdin=stdin, container=container, **{str(n): v for n, v in (env or {}).items()})
        arguments = {"on": self.endpoint, "command": command, "stdin": stdin, "env": dict(env or {})}
        within = container or self.container
        result: Result = self.cluster.engine.do("run", {**arguments, **({"container": within} if within else {})})
        return result

    def __str__(self) -> str:
        return self.endpoint

    def __repr__(self) -> str:
        return f"<{self.endpoint}>"


Endpoint = str | Place


class Cluster:
    """A Kubernetes cluster whose network you can question, break and mend.

    `nodes` is a number (node-1 … node-N; node-1 runs the control plane), a list of names, or {name: address}.
    `network` is a wiring ("bridge", "ptp", "flannel", "flannel-host-gw", "kubenet"), a CNI configuration of your own
    as a dict (``{{.PodCIDR}}`` in it is each node's pod range), or None: no network plugin yet, so the nodes are
    NotReady. The three CIDRs are the node, pod and cluster networks; with each as ``"v4,v6"`` the
    cluster is dual-stack (`k8slearn.ranges`). `topology` says what is under the nodes where that
    is more than one switch and one router (`k8slearn.topology`). With `dns` True CoreDNS is installed
    as kubeadm does it, with ``"node-local-dns"`` NodeLocal DNSCache before it, a cache on each node; without it names
    are unresolved until somebody applies its manifest. Raises `Refused` with one sentence when the arguments make no
    cluster.
    """

    def __init__(
        self,
        nodes: int | Iterable[str] | Mapping[str, str] = 3,
        network: str | Mapping[str, Any] | None = "bridge",
        node_cidr: str = "192.168.64.0/24",
        pod_cidr: str = "10.244.0.0/16",
        service_cidr: str = "10.96.0.0/12",
        proxy: str | None = None,
        kubernetes: str | None = None,
        seed: int = 0,
        topology: Mapping[str, Any] | str | Topology | None = None,
        dns: bool | str | None = None,
    ) -> None:
        networks = (node_cidr, pod_cidr, service_cidr)
        dials = {"proxy": proxy, "kubernetes": kubernetes, "seed": seed, "topology": topology, "dns": dns}
        self._hold(k8slearn.settings.settings(nodes, network, *networks, **dials))

    def _hold(self, settings: Settings) -> None:
        self.engine = Engine(settings, VERBS)
        self._file: Path | None = None

    @classmethod
    def _of(cls, engine: Engine) -> Cluster:
        cluster = cls.__new__(cls)
        cluster.engine = engine
        cluster._file = None
        return cluster

    # -- objects ---------------------------------------------------------------------------------------------------

    def apply(self, source: Any, namespace: str = "default") -> list[dict[str, Any]]:
        """Apply a manifest: YAML text, a Path, a dict or a list of dicts. Returns the objects as they are then."""
        _must_be_text(namespace=namespace)
        keys = self.engine.do("apply", {"source": _source_text(source), "namespace": namespace})
        return [_own(found) for key in keys if (found := self.world.get(key)) is not None]

    def delete(self, resource: str, name: str, namespace: str = "default") -> None:
        """Delete an object: ``cluster.delete("pod", "web")``."""
        _must_be_text(resource=resource, name=name, namespace=namespace)
        self.engine.do("delete", {"resource": resource, "name": name, "namespace": namespace})

    def get(self, resource: str, name: str | None = None, namespace: str | None = "default") -> Any:
        """Objects in API form: a list (`namespace` None: of all namespaces), or the one that is named."""
        _must_be_text(resource=resource, name=name or "", namespace=namespace or "")
        found = api.get(self.world, resource, name, namespace)
        return _own(found)

    def kubectl(self, command: str, stdin: str = "") -> str:
        """The text that kubectl prints. A file that it names is one of your own computer's.

        Raises `CommandError` (.stderr, .exit_code) when it fails.
        """
        from k8slearn.shell import joined
        from k8slearn.shell.kubectl import attached
        from k8slearn.shell.kubectl.files import inline

        _must_be_text(command=command, stdin=stdin)
        if " --rm" in command and (steps := attached.steps(command, stdin)):
            return self._attached(steps, stdin)
        end = joined(command) or len(command)
        try:
            first, stdin = inline(command[:end], lambda path: api.read(Path(path)), stdin)
            command = first + command[end:]
        except ValueError as error:
            raise error if isinstance(error, Refused) else Refused(f"{command!r}: {error}") from None
        result: Result = self.engine.do("kubectl", {"command": command, "stdin": stdin})
        if result.exit_code:
            raise CommandError(result.stderr, result.exit_code, result.stdout)
        return result.stdout + result.stderr

    def _attached(self, steps: Steps, stdin: str) -> str:
        """A pod for one command: run, exec, delete."""
        self.kubectl(steps.run)
        done: Result = self.engine.do("kubectl", {"command": steps.exec, "stdin": stdin})
        self.kubectl(steps.delete)
        name = steps.pod.partition("/")[2]
        out = f'{done.stdout}pod "{name}" deleted\n'
        if done.exit_code:
            error = done.stderr.replace(f"command terminated with exit code {done.exit_code}\n", "")
            raise CommandError(f"{error}pod {steps.pod} terminated (Error)\n", done.exit_code, out)
        return out + done.stderr

    # -- places ----------------------------------------------------------------------------------------------------

    def node(self, name: str) -> Place:
        """A node, to run commands on: ``cluster.node("node-1").run("ip route")``."""
        endpoints.resolve_source(self.world, f"node:{name}")
        return Place(self, f"node:{name}")

    def pod(self, name: str, namespace: str = "default", container: str = "") -> Place:
        """A pod, to run commands in: ``cluster.pod("web").run("curl -s http://api:80")``."""
        _must_be_text(name=name, namespace=namespace)
        api.get(self.world, "pods", name, namespace)
        return Place(self, f"{namespace}/{name}", container)

    def outside(self, address: str = "203.0.113.7") -> Place:
        """A host beyond the node network (or, with an address of it, another machine on it; or one by its name)."""
        address = endpoints.address_of(self.world, address)
        self.engine.do("outside", {"address": address})
        return Place(self, f"outside:{address}")

    def install_plugin(self, name: str, function: Plugin | str | Path) -> None:
        """Put a CNI plugin of your own into /opt/cni/bin of every node, where a network configuration may name it.

        ``function(command, config, environ, node)`` is told CNI_COMMAND, the configuration and the variables, and
        does with ``node.run("ip link ...")`` what it does on the node. For ADD it returns a result, a dict as the
        specification has it; an error is a dict with ``code`` and ``msg``. It replaces a plugin of the same name.
        A path is an executable of this computer that speaks CNI: on Linux, as root, it is called for real.
        """
        from k8slearn.shell.learned import asking, name_of_plugin

        self.engine.learned[name_of_plugin(name)] = asking(name, function)
        self.engine.do("install-plugin", {"name": name})

    def router(self, name: str = "") -> Place:
        """The router under the nodes, or a further one of the topology: ``cluster.router().run("ip route")``."""
        _must_be_text(name=name)
        found = f"router:{name}" if name else "router"
        endpoints.resolve_source(self.world, found)
        return Place(self, found)

    def switch(self, subnet: str = "") -> Place:
        """The switch that the nodes hang on, or that of a subnet: ``cluster.switch().run("bridge vlan show")``."""
        _must_be_text(subnet=subnet)
        found = f"switch:{subnet}" if subnet else "switch"
        endpoints.resolve_source(self.world, found)
        return Place(self, found)

    # -- packets ---------------------------------------------------------------------------------------------------

    def trace(self, source: Endpoint, destination: Endpoint, port: int = 80, protocol: str = "TCP") -> Trace:
        """Ask what would become of a connection. Changes nothing."""
        question = _question(source, destination, port, protocol)
        return self._trace(self.engine.ask("send", {**question, "recording": False}))

    def send(self, source: Endpoint, destination: Endpoint, port: int = 80, protocol: str = "TCP") -> Trace:
        """Connect, and let the kernels remember what they learned from it."""
        asked: Asked = self.engine.do("send", _question(source, destination, port, protocol))
        return self._trace(replace(asked, revision=min(asked.revision, self.journal.revision)))

    def request(
        self,
        source: Endpoint,
        url: str,
        connect_to: str = "",
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask what would become of an HTTP request: ``cluster.request("outside", "http://shop.example/cart",
        connect_to="node:node-1:30080")``. Changes nothing.

        The answer has the status, each rule that a proxy on the way compared, and the connections as traces.
        """
        from k8slearn.answer import answer

        if headers is not None and not isinstance(headers, Mapping):
            raise Refused(f"headers is a dict of names and texts, not {headers!r:.80}")
        _must_be_text(url=url, connect_to=connect_to, method=method, **{str(n): v for n, v in (headers or {}).items()})
        question = {"source": _named(source), "url": url, "connect_to": connect_to, "method": method}
        return answer(self.engine, {**question, "headers": dict(headers or {})}, self._trace)

    def _trace(self, asked: Asked) -> Trace:
        from k8slearn.faces import faces

        question = asked.question
        return Trace(
            question.source,
            question.destination,
            question.port,
            question.protocol,
            asked.revision,
            asked.attempt,
            faces(self.engine, asked),
            asked.lookup,
        )

    def lookup(self, source: Endpoint, name: str, type: str = "") -> Looked:
        """Resolve a name as a program there would: every query that leaves, who answers, and what it comes to.

        Without a `type` it is ``getaddrinfo()``: A and AAAA of each name of the search list, until one has an
        address. Changes nothing. Raises Refused for what is no name or no source.
        """
        from k8slearn.lookups import Looked

        arguments = {"source": _named(source), "name": name, "type": type}
        netns, found, revision = self.engine.ask("lookup", arguments)
        return Looked(str(_named(source)), name, type.upper(), revision, found, self.engine, netns)

    def inject(self, fault: str, on: Endpoint, **arguments: Any) -> Injected:
        """Break something on a machine or in a pod: ``cluster.inject("link-down", "node:node-2", dev="cni0")``.

        `k8slearn.linux.faults.FAULTS` has every kind with its arguments. Returns the fault; its `name` (or itself)
        is what `lift` takes. Raises Refused with one sentence where it cannot be.
        """
        named = {"fault": fault, "on": _named(on), "arguments": arguments}
        injected: Injected = self.engine.do("fault", named)
        return injected

    def lift(self, fault: Injected | str) -> None:
        """Mend what an injected fault broke; what somebody changed since stays as it is now."""
        self.engine.do("lift", {"name": fault if isinstance(fault, str) else fault.name})

    def reboot(self, node: str) -> None:
        """A node's machine goes off and comes on again; ``cluster.node("node-1").run("reboot")`` is the same."""
        self._power(node, "reboot")

    def shutdown(self, node: str) -> None:
        """A node's machine goes off. The cluster notices as time passes: see `advance`."""
        self._power(node, "shutdown")

    def boot(self, node: str) -> None:
        """A machine that is off comes on again."""
        self._power(node, "boot")

    def _power(self, node: str, to: str) -> None:
        _must_be_text(node=node)
        self.engine.do("power", {"node": node.removeprefix("node:"), "to": to})

    def faults(self) -> list[Injected]:
        """The faults that are in force."""
        return active(self.engine.world)

    def reachability(self, port: int = 80, protocol: str = "TCP", family: int = 4) -> Matrix:
        """Every pod to every pod: ``m.allowed("x/a", "y/b")``; with `family` 6 at their IPv6 addresses.

        Prints as a table; a notebook draws it. `only` filters it, `since` compares it with an earlier one, `trace`
        opens a cell, and `walk` does all three in a widget.
        """
        from k8slearn.faces import standing
        from k8slearn.matrix import Faces
        from k8slearn.reach import matrix
        from k8slearn.verbs import port_number, protocol_name
        from k8slearn.widgets import matrix_walk
        from k8slearn.widgets.matrix_face import matrix_html

        if family not in (4, 6):
            raise Refused(f"family is 4 or 6, not {family!r:.80}")
        found = matrix(self.world, port_number(port), protocol_name(protocol), family)
        then = standing(self.engine)
        return replace(found, faces=Faces(matrix_html, matrix_walk, lambda: Cluster._of(then())))

    def laws(self) -> list[Law]:
        """The network model's rules as checks: each holds, or is broken by a named witness packet."""
        from k8slearn.laws import laws

        return laws(self.world)

    def policy_allows(self, source: str, destination: str, port: int = 80, protocol: str = "TCP") -> bool:
        """What the NetworkPolicies' text alone says: enforced or not, however the packets would go.

        Raises Refused for an endpoint that is not there.
        """
        from k8slearn.permitted import verdicts
        from k8slearn.verbs import port_number, protocol_name

        found = verdicts(self.world, str(source), str(destination), port_number(port), protocol_name(protocol))
        return all(verdict.allowed for _, verdict in found)

    def compare(
        self, networks: Iterable[Any], source: Endpoint, destination: Endpoint, port: int = 80, protocol: str = "TCP"
    ) -> Comparison:
        """The same objects and the same question under several wirings, side by side.

        Modes of kube-proxy are compared in the same way: ``["iptables", "nftables", "ipvs"]``.
        """
        from k8slearn.compare import compare

        if isinstance(networks, str | bytes) or not isinstance(networks, Iterable):
            raise Refused(f'networks is a list of wirings such as ["bridge", "kubenet"], not {networks!r:.80}')
        return compare(self, list(networks), str(source), str(destination), port, protocol)

    def timeline(self, pod: str, rows: bool = False) -> Timeline:
        """A pod's life step by step: ``print(cluster.timeline("default/web"))``. Each step has a revision for `at`.

        `rows`: the kernels' rows that were written because of the pod, too. Raises Refused for a pod that never was.
        """
        from k8slearn.timeline import timeline

        _must_be_text(pod=pod)
        pod = pod if "/" in pod else f"default/{pod}"
        found = timeline(self.journal, pod, rows)
        if not found.steps:
            raise Refused(f"there never was a pod {pod}: kubectl get pods -A lists those that are there")
        return found

    # -- stories ---------------------------------------------------------------------------------------------------

    def calls(self, pod: str) -> Story:
        """Who called whom in a pod's life (kubelet, container runtime, CNI), and what came of it.

        Prints as text; ``.walk()`` steps through it. Raises Refused for a pod that never was.
        """
        from k8slearn.widgets.stories import calls

        _must_be_text(pod=pod)
        return calls.of(self.journal, pod if "/" in pod else f"default/{pod}")

    def addresses(self) -> Story:
        """The three networks, and who has which address in them."""
        from k8slearn.widgets.stories import addresses

        return addresses.mapped(self.world)

    def board(self) -> Story:
        """The incident board: what the cluster's own signs (status, endpoints, warnings) say is wrong."""
        from k8slearn.widgets.stories import board

        return board.board(self.world)

    # -- pictures --------------------------------------------------------------------------------------------------

    def graph(self) -> Any:
        """The topology as a networkx MultiDiGraph; nodes and edges carry the engine's keys."""
        from k8slearn.widgets import picture

        return picture.graph(self.world)

    def draw(self) -> Any:
        """The topology as a matplotlib figure."""
        from k8slearn.widgets import picture

        return picture.draw(self.world)

    def svg(self) -> str:
        """The topology as SVG text, without matplotlib."""
        from k8slearn.widgets import picture

        return picture.svg(self.world)

    def text(self) -> str:
        """The topology in words: the picture's text twin."""
        from k8slearn.widgets import picture

        return picture.text(self.world)

    # -- time and history ------------------------------------------------------------------------------------------

    @property
    def world(self) -> World:
        """Every row there is: ``cluster.world.table("node:node-1", "route")``."""
        return self.engine.world

    @property
    def settings(self) -> Settings:
        return self.engine.settings

    @property
    def journal(self) -> Journal:
        """The entries: every input, and every row that somebody wrote or removed because of it."""
        return self.engine.journal

    def advance(self, seconds: float = 1) -> None:
        """Let time pass on the logical clock; timers that come due on the way run."""
        self.engine.do("advance", {"seconds": seconds})

    def undo(self) -> None:
        """Take the last input back, with all that followed from it."""
        self.engine.undo()

    def redo(self) -> None:
        """Do again what was undone last."""
        self.engine.redo()

    def moments(self) -> list[tuple[int, str]]:
        """What was done so far, each with the revision (for `at`) at which all that followed from it was done."""
        from k8slearn.faces import typed

        floor = max(self.engine.floor, 1)
        entries = self.journal.entries
        begun = [e for e in entries[floor:] if isinstance(e, Input)]
        ends = [*(e.revision - 1 for e in begun), self.journal.revision]
        return list(zip(ends, ["the start", *map(typed, begun)], strict=True))

    def at(self, revision: int) -> Cluster:
        """A cluster of its own that stands where this one stood after that entry of the journal."""
        return Cluster._of(self.engine.at(revision))

    # -- files -----------------------------------------------------------------------------------------------------

    def save(self, path: str | Path, follow: bool = False) -> None:
        """Write what was done to this cluster into a file; with `follow`, what is done next is appended at once."""
        path = _path(path)
        done = [{"kind": i.kind, "arguments": i.arguments} for i in self.engine.inputs()]
        undone = [{"kind": u.kind, "arguments": u.arguments} for u in reversed(self.engine.undone)]
        saving.write(path, self.settings, [*done, *undone, *({"kind": "undo"} for _ in undone)])
        if follow:
            if self._file is None:
                self.engine.listeners.append(self._append)
            self._file = path

    def _append(self, line: Mapping[str, Any]) -> None:
        try:
            if self._file is not None:
                saving.append(self._file, line)
        except OSError as error:
            warnings.warn(f"{self._file} cannot be written ({error.strerror}): this step is not saved", stacklevel=4)

    @classmethod
    def load(cls, path: str | Path) -> Cluster:
        """The cluster that a file describes: its inputs are done again. What is odd about the file is a warning."""
        saved = saving.read(_path(path))
        cluster = cls.__new__(cls)
        cluster._hold(saved.settings)
        odd = [*saved.odd, *cluster.engine.restore(saved.done, saved.undone)]
        for sentence in odd:
            warnings.warn(sentence, stacklevel=2)
        return cluster

    def export(self, to: str) -> str:
        """The cluster for somewhere else: ``"netns"`` is a bash script that builds it on a real Linux machine."""
        from k8slearn.export import exported

        _must_be_text(to=to)
        return exported(self.world, to)

    @classmethod
    def from_manifests(cls, path: str | Path) -> Cluster:
        """A cluster like the one that ``kubectl get … -A -o yaml`` dumped."""
        from k8slearn.importing import cluster_from

        found: Cluster = cluster_from(cls, _path(path))
        return found

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from k8slearn.widgets.faces import cluster_mimebundle

        return cluster_mimebundle(self.world)

    def __repr__(self) -> str:
        pods = len(self.world.table("api", "pods"))
        settings = self.settings
        return (
            f"<Cluster: {len(settings.nodes)} nodes, {pods} pods, network {settings.wiring!r}, "
            f"Kubernetes {settings.kubernetes}, revision {self.journal.revision}>"
        )


def _own(found: Any) -> Any:
    """A copy that the caller may change: objects are JSON, and JSON's own way there and back is the fastest."""
    return json.loads(json.dumps(found))


def _question(source: Endpoint, destination: Endpoint, port: Any, protocol: Any) -> dict[str, Any]:
    return {"source": _named(source), "destination": _named(destination), "port": port, "protocol": protocol}


def _named(endpoint: Any) -> Any:
    return endpoint.endpoint if isinstance(endpoint, Place) else endpoint


def _path(path: Any) -> Path:
    if not isinstance(path, str | Path) or not str(path) or "\0" in str(path):
        raise Refused(f"a file is named by its path, as text or a Path, not by {path!r:.80}")
    return Path(path)


def _must_be_text(**given: Any) -> None:
    for name, value in given.items():
        if not isinstance(value, str):
            raise Refused(f"{name} is text, not {value!r:.80}")


def _source_text(source: Any) -> str:
    """What is journalled of a manifest: the text itself; a dict becomes JSON, which is YAML too."""
    if isinstance(source, str):
        return source
    if isinstance(source, Path):
        return api.read(source)
    try:
        return json.dumps(
            {"apiVersion": "v1", "kind": "List", "items": source} if isinstance(source, list | tuple) else source
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise Refused(f"this is no manifest: {error}") from None
