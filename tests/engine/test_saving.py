"""A learner's work is never lost: whatever dies, and wherever in a line the disk stopped writing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings

from k8slearn import Cluster, saving
from k8slearn.errors import Refused

from .given import DEPLOYMENT, MOVES, SERVICE, play, pod, same


@settings(max_examples=20, deadline=None)
@given(moves=MOVES)
def test_a_loaded_cluster_is_the_one_that_was_saved_and_can_redo_what_it_could(
    tmp_path_factory: pytest.TempPathFactory, moves: list[int | str]
) -> None:
    path = tmp_path_factory.mktemp("saved") / "cluster.jsonl"
    followed, plain = Cluster(nodes=2), Cluster(nodes=2)
    followed.save(path, follow=True)
    play(followed, moves)
    play(plain, moves).save(path.with_name("plain.jsonl"))
    for saved in (path, path.with_name("plain.jsonl")):
        loaded = Cluster.load(saved)
        assert same(loaded, plain)
        assert loaded.engine.undone == plain.engine.undone


def _worked(path: Path) -> list[Cluster]:
    """A cluster that was followed into a file; returns it as it stood after each line of the file."""
    cluster = Cluster(nodes=1)
    cluster.save(path, follow=True)
    stages = [cluster.at(cluster.journal.revision)]
    for step in (
        lambda: cluster.apply(pod("ä", "node-1").replace("ä", "a")),
        lambda: cluster.apply(SERVICE.replace("name: web}", "name: web, annotations: {note: 'größer: ✓'}}", 1)),
        lambda: cluster.node("node-1").run("ip route del default"),
        cluster.undo,
        lambda: cluster.advance(3),
    ):
        step()
        stages.append(cluster.at(cluster.journal.revision))
    return stages


def test_a_file_that_was_cut_off_at_any_byte_loads_with_at_most_the_last_line_missing(tmp_path: Path) -> None:
    path = tmp_path / "cluster.jsonl"
    stages = _worked(path)
    whole = path.read_bytes()
    head = whole.index(b"\n") + 1
    for size in range(head, len(whole) + 1, 7):
        path.write_bytes(whole[:size])
        lines = whole[:size].count(b"\n")
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            assert same(Cluster.load(path), stages[lines - 1])
        torn = whole[:size].rpartition(b"\n")[2]
        assert [f"({len(torn)} bytes)" in str(w.message) for w in heard] == ([True] if torn else [])


def test_a_file_whose_first_line_is_cut_off_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "cluster.jsonl"
    Cluster(nodes=1).save(path)
    whole = path.read_bytes()
    for size in range(0, len(whole) - 1, 13):
        path.write_bytes(whole[:size])
        with pytest.raises(Refused, match="is not a saved cluster"):
            Cluster.load(path)


def test_a_line_that_is_no_input_is_refused_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "cluster.jsonl"
    Cluster(nodes=1).save(path)
    for line in ("rubbish", "[]", '{"kind": 5}', '{"kind": "redo"}', '{"kind": "apply", "arguments": 3}'):
        saved = path.read_text(encoding="utf-8")
        path.write_text(saved + line + "\n", encoding="utf-8")
        with pytest.raises(Refused, match="line 2: that is no input of a cluster"):
            Cluster.load(path)
        path.write_text(saved, encoding="utf-8")


def test_a_file_of_another_engine_loads_with_a_warning_and_leaves_out_what_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cluster.jsonl"
    cluster = Cluster(nodes=1)
    cluster.apply(SERVICE)
    cluster.save(path)
    text = path.read_text(encoding="utf-8").replace('"engine":"', '"engine":"9.', 1)
    path.write_text(text + '{"kind": "teleport", "arguments": {}}\n', encoding="utf-8")
    with pytest.warns(UserWarning, match=r"was written by k8slearn 9\.|no such kind of input") as heard:
        loaded = Cluster.load(path)
    assert len(heard) == 2
    assert same(loaded, cluster)


def test_saving_over_a_file_that_is_no_cluster_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes", encoding="utf-8")
    with pytest.raises(Refused, match="choose another name"):
        Cluster(nodes=1).save(path)
    assert path.read_text(encoding="utf-8") == "my notes"


def test_saving_over_another_clusters_work_keeps_that_work_aside(tmp_path: Path) -> None:
    path = tmp_path / "cluster.jsonl"
    worked = Cluster(nodes=1)
    worked.apply(DEPLOYMENT)
    worked.save(path)
    Cluster(nodes=1).save(path, follow=True)
    assert same(Cluster.load(tmp_path / "cluster.jsonl~"), worked)


def test_going_on_with_a_loaded_cluster_goes_on_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "cluster.jsonl"
    first = Cluster(nodes=1)
    first.save(path, follow=True)
    first.apply(SERVICE)
    second = Cluster.load(path)
    second.save(path, follow=True)
    second.apply(DEPLOYMENT)
    assert same(Cluster.load(path), second)
    assert [p.name for p in tmp_path.iterdir()] == ["cluster.jsonl"]


@pytest.mark.parametrize("path", ["no/such/folder/cluster.jsonl", "."])
def test_a_path_that_cannot_be_written_or_read_is_said_in_one_sentence(tmp_path: Path, path: str) -> None:
    with pytest.raises(Refused, match="cannot be"):
        Cluster(nodes=1).save(tmp_path / path)
    with pytest.raises(Refused, match="cannot be read"):
        Cluster.load(tmp_path / path)


def test_a_disk_that_is_full_costs_the_saving_and_not_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(nodes=1)
    cluster.save(tmp_path / "cluster.jsonl", follow=True)

    def full(path: Path, line: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saving, "append", full)
    with pytest.warns(UserWarning, match="No space left on device"):
        cluster.apply(SERVICE)
    assert cluster.get("service", "web")


KILLED = """
import sys
from k8slearn import Cluster
cluster = Cluster(nodes=1)
cluster.save(sys.argv[1], follow=True)
print("ready", flush=True)
for number in range(10**6):
    cluster.node("node-1").run(f"ip route add 10.{number // 250 % 250}.{number % 250}.0/24 via 192.168.64.1")
    print(number, flush=True)
"""


@pytest.mark.slow
def test_a_kernel_that_is_killed_at_a_random_moment_leaves_all_but_the_command_in_flight(tmp_path: Path) -> None:
    draw = Random(20260101)
    for number in range(20):
        path = tmp_path / f"{number}.jsonl"
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(draw.randrange(1, 25))]
        process.send_signal(signal.SIGKILL)
        said += process.stdout.read().splitlines()
        process.wait()
        done = len([line for line in said if line.strip().isdecimal()])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = Cluster.load(path)
        assert done <= len(loaded.engine.inputs()) <= done + 1


def test_a_file_is_lines_of_json_that_say_what_was_typed(tmp_path: Path) -> None:
    path = tmp_path / "cluster.jsonl"
    cluster = Cluster(nodes=1)
    cluster.apply(SERVICE)
    cluster.node("node-1").run("ip route del default")
    cluster.save(path)
    header, *lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert header["settings"]["nodes"] == [["node-1", "192.168.64.11"]]
    assert [line["kind"] for line in lines] == ["apply", "run"]
    assert lines[0]["arguments"]["source"] == SERVICE
