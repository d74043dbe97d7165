"""Stories: what is told line by line is what the engine says, and every face of it tells the same."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pytest

from k8slearn import Cluster
from k8slearn.errors import Refused
from k8slearn.widgets.story import QUIET, Line, Part, Story, around


def alike(story: Story) -> None:
    """The law of the faces: each line is a thing of the picture and a line of the text, in the same order."""
    titles = [unescape(t) for t in re.findall(r'data-thing="line \d+"[^>]*><title>([^<]*)</title>', story.svg())]
    text = story.text()
    assert len(titles) == len(story.lines)
    for title, line in zip(titles, story.lines, strict=True):
        assert line.says in title
        assert line.says in text
        assert line.sign in title
    assert story.stops == () or all(0 <= stop < len(story.lines) for stop in story.stops)
    json.dumps(story.to_dict())


def test_the_rule_walker_names_every_rule_that_the_trace_met(cluster: Any) -> None:
    trace = cluster.trace("default/client", "svc:default/web")
    story = trace.rules()
    alike(story)
    told = [line.says for line in story.lines if line.sign not in QUIET]
    met = [step.because.text for step in trace.legs[0].steps if step.what == "rule"]
    assert sorted(set(told)) == sorted(set(met))
    assert next(line.says for line in story.lines if line.sign == "decides").count("-j DNAT") == 1


def test_what_stands_behind_the_deciding_rule_was_not_reached(cluster: Any) -> None:
    story = cluster.trace("default/client", "svc:default/web").rules()
    for part in story.parts:
        signs = [line.sign for line in part.lines]
        assert "no match" not in signs[signs.index("decides") if "decides" in signs else len(signs) :]
    services = next(part for part in story.parts if part.title.endswith("nat KUBE-SERVICES"))
    assert services.lines[-1].sign == "not reached"


DROPS = {
    "iptables": ("iptables -I FORWARD 1 -j DROP",),
    "nft": (
        "nft add table ip t",
        "nft 'add chain ip t c { type filter hook forward priority 0; }'",
        "nft add rule ip t c drop",
    ),
}


@pytest.mark.parametrize("program", DROPS)
def test_a_rule_that_drops_says_so_in_either_language(cluster: Any, program: str) -> None:
    for command in DROPS[program]:
        assert cluster.node("node-1").run(command).exit_code == 0
    lost = cluster.trace("default/client", "default/far")
    assert lost.outcome == "timeout"
    assert [line.sign for line in lost.rules().lines].count("drops") == 1
    alike(lost.rules())


def test_the_tables_that_were_asked_show_the_rows_that_answered(cluster: Any) -> None:
    trace = cluster.trace("default/client", "default/far")
    story = trace.tables()
    alike(story)
    used = {line.says for line in story.lines if line.sign in ("used", "learned")}
    told = {s.because.text for s in trace.legs[0].steps if s.because and s.because.key[1] in ("route", "fdb", "neigh")}
    assert used == told
    node = next(part for part in story.parts if part.title == "node-1  ip route")
    shown = {line.strip() for line in cluster.node("node-1").run("ip route").stdout.splitlines()}
    assert {line.says for line in node.lines} == shown


def test_a_packet_that_is_not_there_is_refused_with_those_that_are(cluster: Any) -> None:
    with pytest.raises(Refused, match="SYN-ACK"):
        cluster.trace("default/client", "default/far").rules("SINN")


def test_a_long_table_keeps_what_matters_and_counts_the_rest() -> None:
    lines = tuple(Line(f"rule {n}", "matches" if n == 500 else "no match") for n in range(1000))
    kept = around(lines)
    assert len(kept) < 10
    assert "rule 500" in [line.says for line in kept]
    assert sum(int(m[1]) for line in kept if (m := re.match(r"\((\d+) more", line.says))) + 3 == 1000


def test_a_story_walks_and_has_something_to_show_where_no_widget_runs() -> None:
    pytest.importorskip("anywidget", reason="anywidget is not installed")
    story = Story(
        "a tale", (Part("first", (Line("one", "no match"), Line("two", "matches", (("who", "me"),)))),), "end"
    )
    walk = story.walk()
    assert (walk.position, walk.stops, walk.lines[1]["part"]) == (1, [1], "first")
    bundle, _ = walk._repr_mimebundle_()
    assert bundle["text/plain"] == story.text().rstrip()
    assert "<img" in bundle["text/html"]


def test_the_calls_of_a_pods_life_are_the_timelines_with_what_a_plugin_is_told(cluster: Any) -> None:
    story = cluster.calls("client")
    alike(story)
    assert len(story.lines) == len(cluster.timeline("default/client").calls())
    add = next(line for line in story.lines if line.says.startswith("ADD"))
    told = dict(add.details)
    assert (told["CNI_COMMAND"], told["CNI_IFNAME"]) == ("ADD", "eth0")
    assert any("addr eth0" in value for name, value in add.details if name == "then")
    assert json.loads(told["result of bridge"])["ips"][0]["address"].startswith(
        cluster.get("pod", "client")["status"]["podIP"]
    )
    assert [plugin["type"] for plugin in json.loads(told["configuration of bridge"])["plugins"]] == [
        "bridge",
        "portmap",
    ]
    assert "K8S_POD_NAME=client" in told["CNI_ARGS"]
    with pytest.raises(Refused, match="never was a pod default/nobody"):
        cluster.calls("nobody")


def test_the_address_map_has_every_address_of_nodes_pods_and_services(cluster: Any) -> None:
    story = cluster.addresses()
    alike(story)
    said = {line.says.split()[0] for line in story.lines}
    pods = {pod["status"]["podIP"] for pod in cluster.get("pods", namespace=None)}
    services = {service["spec"]["clusterIP"] for service in cluster.get("services", namespace=None)}
    assert pods | services | {address for _, address in cluster.settings.nodes} <= said


def test_the_board_shows_symptoms_and_not_the_fault(cluster: Any) -> None:
    assert "Wrong now: 0" in cluster.board().ending
    cluster.kubectl("create service clusterip lone --tcp=80")
    cluster.inject("link-down", "node:node-2", dev="cni0")
    story = cluster.board()
    alike(story)
    assert [line.says for line in story.lines if line.sign == "failed"] == ["default/lone  0 of 0 endpoints ready"]
    assert "link-down" not in story.text()


def test_the_ladder_has_a_rung_for_every_query() -> None:
    cluster = Cluster(nodes=1, dns=True)
    cluster.kubectl("run client --image=nginx")
    looked = cluster.lookup("default/client", "nowhere.example")
    story = looked.ladder()
    alike(story)
    assert [line.says for line in story.lines] == [f"{query} @{query.server}" for query in looked.queries]
    assert {line.sign for line in story.lines} <= {"NXDOMAIN", "NODATA", "SERVFAIL", "REFUSED", "no answer"}
    assert looked.error in story.ending


def test_the_comparison_stops_where_wirings_differ(cluster: Any) -> None:
    compared = cluster.compare(["bridge", "kubenet"], "default/client", "default/far")
    story = compared.story()
    alike(story)
    differ = {part.title.partition(":")[0] for part in story.parts for line in part.lines if line.sign == "differs"}
    assert differ == set(compared.differs())
