"""The shell's own language, and the filters, against the real ones: dash, GNU grep and coreutils."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from k8slearn import Cluster
from k8slearn.journal import World, drive
from k8slearn.linux.program import Result
from k8slearn.shell import run

SH = shutil.which("dash") or ""
real = pytest.mark.skipif(not SH, reason="the real shell to compare with is dash")
C = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}


def ours(line: str, stdin: str = "") -> Result:
    """What our shell makes of a line, in a world with nothing in it."""
    world = World()
    result: Result = drive(run(world, "node:node-1", line, stdin), world.apply)
    return result


def theirs(line: str, stdin: str = "") -> tuple[str, int]:
    done = subprocess.run([SH, "-c", line], input=stdin, capture_output=True, text=True, env=C, timeout=10, check=False)
    return done.stdout, done.returncode


LINES = (Path(__file__).parent / "lines_of_sh.txt").read_text().splitlines()
LINES += ["if false\nthen echo a\nfi", "seq 2\n\nseq 1 ;\n", "echo \\\na"]
REFUSED = {"{ echo; }", "[ -z \"\" -o x ]", "seq 3 | while true; do echo; done"}  # fmt: skip


@real
@pytest.mark.parametrize("line", LINES)
def test_a_line_does_what_the_real_shell_does(line: str) -> None:
    found = ours(line)
    if line in REFUSED:
        assert found.exit_code == 2
    else:
        assert (found.stdout, found.exit_code) == theirs(line)


words = st.sampled_from(["a", "'b c'", '"$X"', "$X", "$(echo x y)", "d$X", '"e  f"', "$?", "''", "g\\ h"])
simple = st.one_of(
    st.lists(words, max_size=3).map(lambda ws: " ".join(["echo", *ws])),
    st.sampled_from(["true", "false", "X='p  q'", "X=", "cat", "seq 2", "grep -c a", "tr a b", "X=$(seq 2)", "wc -l"]),
)


def nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    joined = st.tuples(inner, st.sampled_from([" | ", " && ", " || ", "; "]), inner).map("".join)
    loop = st.tuples(st.lists(words, max_size=2), inner).map(
        lambda p: f"for i in {' '.join(p[0])}; do {p[1]}; echo $i; done"
    )
    choice = st.tuples(inner, inner, inner).map(lambda p: f"if {p[0]}; then {p[1]}; else {p[2]}; fi")
    return st.one_of(joined, loop, choice)


@real
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.recursive(simple, nested, max_leaves=6))
def test_scripts_at_random_do_what_they_do_in_the_real_shell(line: str) -> None:
    # a list's commands share their input in life: those that read it are fed by a pipe of their own here
    line = f"echo start | cat; {line.replace('cat', 'echo in | cat').replace('wc -l', 'echo a | wc -l')}"
    line = line.replace("grep -c a", "echo aa | grep -c a").replace("tr a b", "echo a | tr a b")
    found = ours(line)
    assert (found.stdout, found.exit_code) == theirs(line)


TEXT = "web 10.244.1.2\ndb  10.244.1.10\n\nweb 10.244.0.3\nWEB+x (a|b)\n\tx\nlast no newline"
FILTERS = (Path(__file__).parent / "lines_of_filters.txt").read_text().splitlines()


@real
@pytest.mark.parametrize("line", FILTERS)
def test_a_filter_does_what_gnus_does(line: str) -> None:
    found = ours(line, TEXT)
    out, code = theirs(line, TEXT)
    assert (found.stdout.rstrip("\n"), found.exit_code) == (out.rstrip("\n"), code)


UNKNOWN = [
    "while true; do :; done",
    "(echo a)",
    "cat <<EOF",
    "sleep 1 &",
    "f() { echo; }",
    "echo $((1))",
    "echo ${X:-y}",
]


@pytest.mark.parametrize("line", UNKNOWN)
def test_what_the_shell_does_not_know_it_says(line: str) -> None:
    found = ours(line)
    assert (found.stdout, found.exit_code) == ("", 2)
    assert found.stderr.startswith("sh: ")
    assert found.stderr.count("\n") == 1


def test_a_line_on_a_node_in_a_pod_and_after_kubectl() -> None:
    cluster = Cluster(nodes=1)
    cluster.kubectl("create deployment web --image=nginx --replicas=2")
    node = cluster.node("node-1")
    assert node.run("kubectl get pods -o name | wc -l").stdout == "2\n"
    assert node.run("echo hello > /tmp/x && cat /tmp/x | tr a-z A-Z").stdout == "HELLO\n"
    ips = node.run(
        "for p in $(kubectl get pods -o name); do kubectl get $p -o jsonpath={.status.podIP}; echo; done"
    ).stdout
    name = cluster.get("pods")[0]["metadata"]["name"]
    told = cluster.pod(name).run(f"for ip in {' '.join(ips.split())}; do curl -s $ip/hostname; echo; done").stdout
    assert sorted(told.split()) == sorted(pod["metadata"]["name"] for pod in cluster.get("pods"))
    assert cluster.kubectl("get pods -o name | grep -c pod/web") == "2\n"
    assert cluster.kubectl("get deploy web -o yaml | grep -A1 replicas:").startswith("  replicas: 2\n")
    assert node.run("kubectl exec deploy/web -- sh -c 'ip addr | grep -c eth0'").stdout == "2\n"


def test_a_loop_has_an_end() -> None:
    found = ours("for a in $(seq 100); do for b in $(seq 100); do true; done; done")
    assert found.exit_code == 2
    assert "1000 commands" in found.stderr
