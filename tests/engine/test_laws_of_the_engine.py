"""The laws that saving, undoing, sharing and grading stand on."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k8slearn import Cluster
from k8slearn.components import Settings
from k8slearn.engine import CLOCK, Engine, Verb
from k8slearn.errors import Refused
from k8slearn.journal import Commands, Input, Key, Put, World
from k8slearn.settings import settings as checked

from .given import DEPLOYMENT, INPUTS, MOVES, SERVICE, play, pod, same

few = settings(max_examples=25, deadline=None)


@few
@given(MOVES)
def test_the_same_inputs_have_the_same_consequences(moves: list[int | str]) -> None:
    one, other = play(Cluster(nodes=2), moves), Cluster(nodes=2)
    other.engine.replay((entry.kind, entry.arguments) for entry in one.engine.inputs())
    assert same(one, other)


@few
@given(MOVES)
def test_undo_and_then_redo_is_as_if_nothing_had_been(moves: list[int | str]) -> None:
    cluster, other = play(Cluster(nodes=2), moves), play(Cluster(nodes=2), moves)
    if cluster.engine.inputs():
        cluster.undo()
        cluster.redo()
    assert same(cluster, other)


@few
@given(MOVES)
def test_undoing_everything_leaves_the_cluster_as_it_started(moves: list[int | str]) -> None:
    cluster = play(Cluster(nodes=2), moves)
    while cluster.engine.inputs():
        cluster.undo()
    assert same(cluster, Cluster(nodes=2))
    with pytest.raises(Refused, match="nothing to undo"):
        cluster.undo()


@few
@given(MOVES, st.data())
def test_the_past_is_what_a_replay_up_to_there_gives(moves: list[int | str], data: st.DataObject) -> None:
    cluster = play(Cluster(nodes=2), moves)
    inputs = cluster.engine.inputs()
    upto = data.draw(st.integers(0, len(inputs)))
    replayed = Cluster(nodes=2)
    replayed.engine.replay((entry.kind, entry.arguments) for entry in inputs[:upto])
    assert same(cluster.at(replayed.journal.revision), replayed)


@few
@given(MOVES)
def test_asking_changes_nothing(moves: list[int | str]) -> None:
    cluster, other = play(Cluster(nodes=2), moves), play(Cluster(nodes=2), moves)
    cluster.trace("node:node-1", "outside").to_dict()
    cluster.reachability()
    cluster.laws()
    assert same(cluster, other)


@few
@given(MOVES, MOVES)
def test_copies_of_a_cluster_go_their_own_ways(moves: list[int | str], more: list[int | str]) -> None:
    cluster, other = play(Cluster(nodes=2), moves), play(Cluster(nodes=2), moves)
    copies = [cluster.at(cluster.journal.revision) for _ in range(2)]
    play(copies[0], more)
    assert same(cluster, other)
    assert same(copies[1], other)
    play(cluster, more[::-1])
    assert same(copies[1], other)


def test_every_revision_can_be_looked_at_and_shows_the_rows_of_then() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(pod("a", "node-1"))
    for revision in range(1, cluster.journal.revision + 1):
        then = cluster.at(revision)
        assert then.journal.revision == then.world.revision == revision
        assert then.world.tables() == cluster.journal.world_at(revision).tables()


def test_within_an_inputs_consequences_one_may_look_and_trace_but_change_nothing() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(pod("a", "node-1"))
    midway = cluster.at(cluster.journal.revision - 2)
    assert midway.trace("node:node-1", "node:node-2", 22).outcome == "connected"
    with pytest.raises(Refused, match="lies within the consequences"):
        midway.apply(SERVICE)


def test_an_input_that_fails_leaves_no_entry() -> None:
    cluster = Cluster(nodes=2)
    before = cluster.journal.revision
    with pytest.raises(Refused):
        cluster.apply(pod("fine") + "---\napiVersion: v1\nkind: Pod\nmetadata: {name: Broken_Name}\nspec: {}\n")
    assert cluster.journal.revision == before
    assert same(cluster, Cluster(nodes=2))


def test_an_input_that_changes_nothing_leaves_no_entry_and_keeps_what_can_be_redone() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(DEPLOYMENT)
    again = cluster.journal.revision
    cluster.apply(DEPLOYMENT)
    assert cluster.journal.revision == again
    cluster.undo()
    cluster.node("node-1").run("ip route")
    cluster.redo()
    assert cluster.journal.revision == again


def test_a_new_input_ends_what_can_be_redone() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(DEPLOYMENT)
    cluster.undo()
    cluster.apply(SERVICE)
    with pytest.raises(Refused, match="nothing to redo"):
        cluster.redo()


def test_clusters_that_start_alike_share_nothing_that_can_be_seen() -> None:
    one, other = Cluster(nodes=2), Cluster(nodes=2)
    one.node("node-1").run("ip route del 10.244.1.0/24")
    assert not same(one, other)
    assert same(other, Cluster(nodes=2))


def test_every_row_can_say_who_wrote_it_and_after_which_input() -> None:
    cluster = Cluster(nodes=2)
    cluster.apply(pod("a", "node-1"))
    for (scope, table), rows in cluster.world.tables().items():
        for name in rows:
            origin = cluster.journal.origin((scope, table, name))
            assert origin is not None
            assert origin.author
            assert isinstance(cluster.journal.entries[origin.source - 1], Input)


# -- the engine alone: a component of one's own ------------------------------------------------------------------


class Alarm:
    """Rings (counts up) five seconds after it was last set off, and watches its own bell."""

    name = "alarm"
    SET: Key = ("house", "alarm", "set")
    RUNG: Key = ("house", "bell", "rung")

    def watches(self) -> dict[str, str]:
        return {"alarm": "to be set"}

    def keys(self, world: World, changed: Key) -> list[str]:
        return ["it"]

    def reconcile(self, world: World, key: str) -> Commands:
        at = world.get(self.SET)
        if at is not None and world.clock >= at:
            yield Put(self.RUNG, (*(world.get(self.RUNG) or ()), world.clock))
            yield Put(self.SET, at + 5.0)

    def due(self, world: World) -> list[tuple[float, str]]:
        at = world.get(self.SET)
        return [] if at is None else [(at, "it")]


class Restless(Alarm):
    """Never satisfied with what it wrote."""

    name = "restless"

    def reconcile(self, world: World, key: str) -> Commands:
        yield Put(self.SET, (world.get(self.SET) or 0) + 1)


def _set(world: World, arguments: object) -> Commands:
    yield Put(Alarm.SET, world.clock + 5.0)


def _engine(*components: Alarm) -> Engine:
    plain: Settings = checked(1)
    return Engine(plain, {"set": Verb(_set, lambda arguments: "person")}, components)


def test_timers_run_in_the_order_of_their_seconds_and_the_clock_stands_at_each() -> None:
    engine = _engine(Alarm())
    engine.do("set", {})
    engine.do("advance", {"seconds": 17})
    assert engine.world.get(Alarm.RUNG) == (5.0, 10.0, 15.0)
    assert engine.world.get(CLOCK) == 17.0


def test_looking_at_the_past_leaves_the_present_alone_even_where_components_are_ones_own() -> None:
    engine = _engine(Alarm())
    engine.do("set", {})
    before = list(engine.journal.entries)
    assert engine.at(engine.start).world.get(Alarm.SET) is None
    assert engine.journal.entries == before
    assert engine.at(len(before)).world.get(Alarm.SET) == 5.0


def test_a_component_that_never_rests_is_an_error_of_ours_and_leaves_no_entry() -> None:
    engine = _engine(Restless())
    before = engine.journal.revision
    with pytest.raises(AssertionError, match="restless cannot come to rest"):
        engine.do("set", {})
    assert engine.journal.revision == before


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 10**12, "5", None])
def test_time_that_is_no_number_of_seconds_is_refused(seconds: object) -> None:
    with pytest.raises(Refused, match="advance takes a number of seconds"):
        Cluster(nodes=1).advance(seconds)  # type: ignore[arg-type]  # what a learner may well type


def test_there_is_an_input_of_every_kind_among_those_that_are_tried() -> None:
    from k8slearn.verbs import VERBS

    assert {kind for kind, _ in INPUTS} | {"kubectl", "answer"} == {*VERBS, "advance"}
