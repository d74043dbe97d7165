"""The same objects and the same question under several wirings, side by side.

Each wiring gets a cluster of its own, started alike; what was done to the first is done to it again, and then it is
asked. A table has a row for each thing that one may ask of a network plugin, and a column for each wiring::

                 bridge                       kubenet
    outcome      connected                    connected
    way there    a > node-1 > switch > …      a > node-1 > switch > router > …
    law          the same address is seen     the same address is seen

All of it is read off the first packet's way and the rows that decided about it. Sentences below say what differs, and
whether the law that must hold in all of them does: nobody translates between pods.

Modes of kube-proxy are compared in the same way (``["iptables", "nftables", "ipvs"]``), each under the cluster's own
wiring. Then the table also says how many rules Linux compared the packets with, and below it stand the rows that
kube-proxy wrote and the first packet met, in each mode's own language.

Left out: what cannot be done under a wiring (a command about a bridge of another name) is said and passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

import yaml

from k8slearn import api, manifests, settings
from k8slearn.components import NODE_LOCAL_DNS, Settings
from k8slearn.errors import Refused
from k8slearn.journal import Input, World
from k8slearn.linux.listen import place
from k8slearn.linux.rows import Link
from k8slearn.packet import Packet
from k8slearn.trace import Leg, Step, Trace

if TYPE_CHECKING:
    from k8slearn.cluster import Cluster
    from k8slearn.widgets.story import Story

Network = str | Mapping[str, Any] | None
ASPECTS = {
    "outcome": "what the client sees, and who answered",
    "way there": "the places that the first packet passed",
    "way back": "the places that the answer to it passed",
    "headers": "what was on the wire between the machines",
    "addresses": "sender and receiver, as the answerer saw them",
    "ttl": "the hop limit on arrival: each router on the way took one",
    "mtu": "bytes: of the sender's link, and of the narrowest link on the way",
    "programmed by": "who wrote the rows that decided",
    "law": "nobody translates between pods",
}
"""Each row of the table, and what it says."""
OF_MODES = {"compared": "how many netfilter rules Linux compared all packets with, one after the other"}
"""Further rows, where modes of kube-proxy are compared."""
MODES = tuple(mode for mode in settings.PROXIES if mode != "none")
NO_NAT = "holds: the sender's own address is seen"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One trace for each wiring, in the order asked; `clusters` are theirs, to go on with.

    `table` has a dict for each wiring: aspect (`ASPECTS`) -> text. Prints as a table, and is one in a notebook.
    """

    traces: dict[str, Trace]
    clusters: dict[str, Cluster] = field(repr=False)
    odd: tuple[str, ...] = ()
    table: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)
    rules: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    """Mode of kube-proxy -> the rules, elements and virtual servers of its that the first packet met, in order."""

    @property
    def aspects(self) -> dict[str, str]:
        """The rows of the table, and what each says."""
        return {**ASPECTS, **(OF_MODES if self.rules else {})}

    def __getitem__(self, network: str) -> Trace:
        return self.traces[network]

    def differs(self) -> dict[str, dict[str, str]]:
        """The aspects in which not all wirings are alike: aspect -> wiring -> text."""
        rows = {aspect: {name: told[aspect] for name, told in self.table.items()} for aspect in self.aspects}
        return {aspect: row for aspect, row in rows.items() if len(set(row.values())) > 1}

    def sentences(self) -> list[str]:
        """What differs, what is alike, and the law that must hold in all."""
        names, different = list(self.table), self.differs()
        if len(names) < 2:
            return [*_law(self.table), *self.odd]
        alike = [aspect for aspect in self.aspects if aspect not in different]
        said = [f"They differ in {_listed(different)}." if different else "They do not differ in anything told here."]
        said += [f"They are alike in {_listed(alike)}."] if alike and different else []
        return [*said, *_law(self.table), *self.odd]

    def text(self) -> str:
        """The table, and what differs in sentences."""
        names = list(self.table)
        if not names:
            return "no wiring was asked for"
        columns = [["", *self.aspects], *([name, *self.table[name].values()] for name in names)]
        if sum(max(map(len, column)) + 2 for column in columns) > WIDEST:
            return "\n".join([*_stacked(self.table, self.aspects), *self.sentences(), *self._written()])
        widths = [max(map(len, column)) for column in columns]
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in zip(*columns, strict=True)]
        return "\n".join([*(line.rstrip() for line in lines), "", *self.sentences(), *self._written()])

    def _written(self) -> Iterator[str]:
        """What kube-proxy wrote, mode by mode."""
        for mode, rules in self.rules.items():
            yield from ("", f"{mode}, what kube-proxy wrote and the first packet met:", *(f"  {r}" for r in rules))

    def __str__(self) -> str:
        return self.text()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: for each wiring what the table says and the whole trace; what differs; the sentences."""
        told = {name: {"told": self.table[name], "trace": trace.to_dict()} for name, trace in self.traces.items()}
        return {"wirings": told, "differs": self.differs(), "sentences": self.sentences(), "rules": self.rules}

    def story(self) -> Story:
        """The same aspect by aspect; ``.walk()`` stops where they differ."""
        from k8slearn.widgets.stories import wirings

        return wirings.compared(self)

    def html(self) -> str:
        """The same as an HTML table; a row whose cells differ is marked in its heading, not by colour alone."""
        different = self.differs()
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in self.table)
        rows = "".join(_html_row(aspect, self.table, aspect in different) for aspect in self.aspects)
        said = "".join(f"<p>{escape(sentence)}</p>" for sentence in self.sentences())
        if self.rules:
            said += f"<pre>{escape(chr(10).join(self._written()).strip())}</pre>"
        caption = "<caption>The same question under each wiring (≠: they differ)</caption>"
        return f"<table>{caption}<thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>{said}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {"text/plain": self.text(), "text/html": self.html()}


WIDEST = 150
"""Characters: a table wider than that is told wiring by wiring."""


def compare(
    cluster: Cluster, networks: list[Network], source: str, destination: str, port: int, protocol: str
) -> Comparison:
    """Build a cluster like this one under each wiring, and ask it the same."""
    clusters, odd = {}, []
    for network in networks:
        name = network if isinstance(network, str) else _name(network)
        clusters[name], left_out = _under(cluster, network, name)
        odd += left_out
    traces = {network: other.trace(source, destination, port, protocol) for network, other in clusters.items()}
    table = {network: told(trace, clusters[network].world) for network, trace in traces.items()}
    rules: dict[str, tuple[str, ...]] = {}
    if any(name in MODES for name in traces):
        rules = {name: tuple(_met(trace)) for name, trace in traces.items()}
        for name, trace in traces.items():
            table[name]["compared"] = f"{trace.compared} rules"
    return Comparison(traces, clusters, tuple(odd), table, rules)


def _name(network: Network) -> str:
    """A configuration of one's own goes by the name that it gives itself."""
    return str(network.get("name")) if isinstance(network, Mapping) else str(network)


def _under(cluster: Cluster, network: Network, name: str) -> tuple[Cluster, list[str]]:
    own, odd = cluster.settings, list[str]()
    mode, network = (name, own.network) if name in MODES else (_proxy(own, network), network)
    other = type(cluster)(
        dict(own.nodes),
        json.loads(network) if isinstance(network, str) and network.startswith("{") else network,
        own.node_cidr,
        own.pod_cidr,
        own.service_cidr,
        proxy=mode,
        kubernetes=own.kubernetes if name in (own.wiring, *MODES) else settings.WIRINGS.get(name),
        seed=own.seed,
        topology=own.topology,
        dns=_dns(own, name, odd),
    )
    for entry in cluster.engine.inputs():
        if _installs(entry):
            odd.append(f"{name}: the manifest of a network plugin was passed over: the wiring is {name} here")
            continue
        try:
            other.engine.do(entry.kind, entry.arguments)
        except Refused as error:
            odd.append(f"{name}: an input ({entry.kind}) was passed over: {error}")
    if name in MODES:
        _switch(other, name)
    return other, odd


def _dns(own: Settings, name: str, odd: list[str]) -> str:
    """The same name servers, but for a cache on each node where nobody would ask it."""
    if (own.dns, name) != (NODE_LOCAL_DNS, settings.REPLACES_KUBE_PROXY):
        return own.dns
    odd.append(f"{name}: CoreDNS alone, without the cache on each node: nobody would ask it there")
    return "coredns"


def _switch(cluster: Cluster, mode: str) -> None:
    """A person may have configured kube-proxy since: here its mode is the one that is compared."""
    config = cluster.get("configmap", "kube-proxy", namespace="kube-system")
    fields = yaml.safe_load(config["data"]["config.conf"])
    if fields.get("mode") != mode:
        text = yaml.safe_dump({**fields, "mode": mode}, sort_keys=False)
        cluster.apply({**config, "data": {**config["data"], "config.conf": text}})


def _installs(entry: Input) -> bool:
    """Did this input apply a network plugin's own manifest? It belongs to the one wiring."""
    given = entry.arguments.get("source") if entry.kind == "apply" else entry.arguments.get("stdin")
    if not given or "DaemonSet" not in given:
        return False
    named = ((obj.get("kind"), (obj.get("metadata") or {}).get("name")) for obj in api.load(given))
    return any(kind == "DaemonSet" and name in manifests.DAEMONS for kind, name in named)


def _proxy(own: Settings, network: Network) -> str | None:
    """The same, unless one of the two wirings does kube-proxy's work itself."""
    return None if settings.REPLACES_KUBE_PROXY in (own.network, network) else own.proxy


# -- what is told of one trace -----------------------------------------------------------------------------------------


def told(trace: Trace, world: World) -> dict[str, str]:
    """Each aspect of a trace, in words."""
    there = [leg for leg in trace.legs if leg.direction == "request"][:1]
    back = [leg for leg in trace.legs if leg.direction == "reply"][:1]
    by = f", {trace.answered_by} answered" if trace.answered_by else ""
    arrived = _arrived(there)
    return {
        "outcome": trace.outcome + by,
        "way there": " > ".join(_places(trace, there)) or "-",
        "way back": " > ".join(_places(trace, back)) or "-",
        "headers": _headers(there),
        "addresses": f"{trace.source_seen} > {trace.destination_seen}" if trace.source_seen else "nobody saw it",
        "ttl": str(arrived.ttl) if arrived is not None else "-",
        "mtu": _mtu(there, world),
        "programmed by": _authors(trace),
        "law": _judged(trace, there, world),
    }


def _steps(legs: Iterable[Leg]) -> Iterator[Step]:
    """The packet's own steps, without the questions for neighbours on the way."""
    return (step for leg in legs for step in leg.steps if not step.before.is_errand)


def _places(trace: Trace, legs: list[Leg]) -> list[str]:
    places = [trace.faces.place(step.where) for step in _steps(legs)]
    return [place for n, place in enumerate(places) if n == 0 or place != places[n - 1]]


def _arrived(legs: list[Leg]) -> Packet | None:
    return next((step.after for step in _steps(legs) if step.what in ("deliver", "refuse")), None)


def _headers(legs: list[Leg]) -> str:
    """The outermost headers that the packet had anywhere on its way."""
    wire = [step.after for step in _steps(legs) if step.what != "arp" and not step.after.proto.startswith("icmp")]
    outer = next((packet for packet in wire if packet.inner is not None or packet.cipher or packet.tag), None)
    if outer is None:
        return f"{wire[0].proto.upper()} {wire[0].src} > {wire[0].dst}, no more" if wire else "-"
    if outer.tag:
        return f"an 802.1Q tag, {outer.tag}"
    name = "WireGuard" if outer.cipher else f"VXLAN (vni {outer.vni})" if outer.vni else outer.proto.upper()
    return f"{name} {outer.src} > {outer.dst} around it"


def _mtu(legs: list[Leg], world: World) -> str:
    sent = [step for step in _steps(legs) if step.dev and step.what in ("send", "transmit", "encapsulate")]
    links: list[Link | None] = [world.get((step.where, "link", step.dev)) for step in sent]
    mtus = [link.mtu for link in links if link is not None and link.kind != "loopback"]
    return f"{mtus[0]}, narrowest {min(mtus)}" if mtus else "-"


def _authors(trace: Trace) -> str:
    """Of the routes, rules and neighbours that were met."""
    found: dict[str, None] = {}
    for step in trace.steps:
        cause = trace.faces.cause(step.because.key, step.because.position) if step.because is not None else None
        if cause is not None and not step.before.is_errand:
            found[cause.author] = None
    return ", ".join(sorted(found)) or "-"


def _met(trace: Trace) -> Iterator[str]:
    """kube-proxy's rows on the first packet's way."""
    for step in _steps([leg for leg in trace.legs if leg.direction == "request"][:1]):
        cause = trace.faces.cause(step.because.key, step.because.position) if step.because is not None else None
        if step.because is not None and cause is not None and cause.author == "kube-proxy":
            yield f"{trace.faces.place(step.where)} {step.hook or 'route'}: {step.because.text}"


def _judged(trace: Trace, legs: list[Leg], world: World) -> str:
    """Of two pods: is the sender's own address seen, and the receiver's own reached?"""
    sent = next((step.before for step in _steps(legs) if step.what == "send"), None)
    pods = world.table("api", "pods")
    own = {each["ip"] for pod in pods.values() for each in (pod.get("status") or {}).get("podIPs") or ()}
    if trace.source not in {*pods, *own} or trace.destination not in {*pods, *own}:
        return "says nothing: not from pod to pod"
    if trace.outcome != "connected" or sent is None:
        return "not tried: no packet came through"
    if trace.source_seen != sent.src:
        return f"broken: {sent.src} is seen as {trace.source_seen}"
    asked = place(sent.dst, sent.dport)
    return NO_NAT if trace.destination_seen == asked else f"broken: {asked} was reached as {trace.destination_seen}"


# -- words -------------------------------------------------------------------------------------------------------------


def _law(table: Mapping[str, Mapping[str, str]]) -> list[str]:
    judged = {name: row["law"] for name, row in table.items()}
    if not judged or all(law.startswith("says nothing") for law in judged.values()):
        return []
    law = "The law that must hold in all of them, that nobody translates between pods"
    broken = [f"{name} ({text.removeprefix('broken: ')})" for name, text in judged.items() if text.startswith("broken")]
    untried = [name for name, text in judged.items() if text.startswith("not tried")]
    said = [f"{law}, is broken by {_listed(broken)}." if broken else f"{law}, holds."]
    return [*said, f"Under {_listed(untried)} none came through."] if untried else said


def _listed(aspects: Iterable[str]) -> str:
    *most, last = aspects
    return f"{', '.join(most)} and {last}" if most else last


def _stacked(table: Mapping[str, Mapping[str, str]], aspects: Iterable[str]) -> Iterator[str]:
    """Each aspect, and below it a line for each wiring (one line where all say the same)."""
    width = max(map(len, table))
    for aspect in aspects:
        row = {name: row[aspect] for name, row in table.items()}
        if len(set(row.values())) == 1:
            yield f"{aspect}: {next(iter(row.values()))}"
            continue
        yield f"{aspect}:"
        yield from (f"  {name:{width}}  {text}" for name, text in row.items())
    yield ""


def _html_row(aspect: str, table: Mapping[str, Mapping[str, str]], differs: bool) -> str:
    mark = " ≠" if differs else ""
    cells = "".join(f"<td>{escape(row[aspect])}</td>" for row in table.values())
    return f'<tr><th scope="row" title="{escape({**ASPECTS, **OF_MODES}[aspect])}">{aspect}{mark}</th>{cells}</tr>'
