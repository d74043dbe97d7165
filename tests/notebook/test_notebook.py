"""Command lines in a notebook act on the cluster in its memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from k8slearn.notebook import load_ipython_extension
from k8slearn.notebook.bare import translate
from k8slearn.notebook.completion import candidates

Cell = Callable[[str], tuple[str, str, bool]]


def test_a_manifest_in_a_cell_becomes_pods(lab: Cell) -> None:
    out, err, good = lab("!kubectl get pods")
    assert good
    assert not err
    assert [line.split()[0] for line in out.splitlines()] == ["NAME", "client", "far"]


def test_kubectl_with_a_bang_a_percent_or_nothing_says_the_same(lab: Cell) -> None:
    forms = [
        "!kubectl get pods",
        "%kubectl get pods",
        "%%kubectl\nget pods",
        "%%kubectl\nkubectl get pods",
        "kubectl get pods",
    ]
    assert len({lab(form)[0] for form in forms}) == 1


def test_kubectl_takes_a_python_variable(lab: Cell) -> None:
    lab("name = 'far'")
    assert lab("!kubectl get pod {name} -o name")[0] == "pod/far\n"


def test_kubectl_gives_its_lines_to_a_variable(lab: Cell) -> None:
    lab("lines = !kubectl get pods -o name")
    assert lab("print(list(lines))")[0] == "['pod/client', 'pod/far']\n"


def test_another_command_after_a_bang_is_the_computers_own_and_keeps_its_variables(lab: Cell) -> None:
    lab("result = 'from here'")
    assert "from here" in lab("text = !echo {result}\nprint(text)")[0]


def test_what_kubectl_cannot_do_is_said_on_standard_error_and_the_cell_goes_on(lab: Cell) -> None:
    out, err, good = lab("!kubectl get pod nobody")
    assert (out, good) == ("", True)
    assert err == 'Error from server (NotFound): pods "nobody" not found\n'


def test_a_broken_manifest_fails_its_cell_with_a_sentence_and_no_traceback(lab: Cell) -> None:
    out, err, good = lab("%%yaml\nkind: Pod\nmetadata: {name: [}")
    assert not good
    assert "Traceback" not in out + err
    assert len((out + err).strip().splitlines()) <= 3


def test_a_refusal_in_python_is_a_sentence_too(lab: Cell) -> None:
    out, err, good = lab("cluster.trace('default/client', 'default/nobody')")
    assert not good
    assert "Traceback" not in out + err
    assert "nobody" in out + err


def test_commands_on_a_node_and_in_a_pod_stand_under_each_other(lab: Cell) -> None:
    out, err, good = lab("%%node node-1\n# the table\nip route\nip -br link show cni0")
    assert good, err
    assert out.startswith("$ ip route\ndefault via 192.168.64.1 dev eth0")
    assert "$ ip -br link show cni0\ncni0" in out
    out, err, good = lab("%%pod default/far\nip -br addr show eth0")
    assert good, err
    assert "10.244.1.2/24" in out


def test_a_bare_tool_line_runs_where_the_last_one_did(lab: Cell) -> None:
    lab("%node node-2")
    assert lab("ip route")[0].startswith("node-2$ ip route\ndefault via")


def test_a_word_that_the_notebook_knows_is_python(lab: Cell) -> None:
    assert lab("ip = 7\nprint(ip\n- 4)")[0] == "3\n"
    assert translate(["ip - 4\n"], {"ip": 7}) == ["ip - 4\n"]
    assert translate(["kubectl = 3\n"], {}) == ["kubectl = 3\n"]
    inside = ["text = '''\n", "kubectl get pods\n", "'''\n"]
    assert translate(inside, {}) == inside


def test_the_newest_cluster_is_meant_unless_one_is_named(lab: Cell) -> None:
    lab("other = Cluster(nodes=1)")
    assert "node-2" not in lab("!kubectl get nodes")[0]
    assert lab("%cluster cluster")[0].startswith("cluster: <Cluster: 2 nodes")
    assert "node-2" in lab("!kubectl get nodes")[0]
    assert "there is no cluster 'nobody' here" in "".join(map(str, lab("%cluster nobody")[:2]))


def test_without_a_cluster_a_command_says_how_to_make_one(cell: Cell) -> None:
    assert "cluster = Cluster(nodes=2)" in cell("!kubectl get pods")[1]


def test_loading_the_extension_twice_changes_nothing(lab: Cell, shell: Any) -> None:
    before = (shell.system, list(shell.input_transformers_cleanup))
    load_ipython_extension(shell)
    assert (shell.system, list(shell.input_transformers_cleanup)) == before


def test_tab_offers_verbs_resources_and_names(lab: Cell, shell: Any) -> None:
    session = shell._k8slearn_session
    assert "describe" in candidates(session, "!kubectl de")
    assert candidates(session, "kubectl get po") == ["pod", "pods"]
    assert candidates(session, "%kubectl get pods ") == ["client", "far"]
    assert candidates(session, "kubectl get po -n ") == [
        str(n) for n in sorted(session.cluster.world.table("api", "namespaces"))
    ]
    assert candidates(session, "%%node ") == ["node-1", "node-2"]
    assert candidates(session, "%%pod def") == ["default/client", "default/far"]
    assert candidates(session, "x = kubernetes") == []


def test_tab_reaches_ipython(lab: Cell, shell: Any) -> None:
    from IPython.core.completer import provisionalcompleter

    shell.Completer.use_jedi = False
    with provisionalcompleter():
        found = [c.text for c in shell.Completer.completions("!kubectl get pods f", 19)]
    assert found == ["far"]


def test_the_lab_saves_every_named_cluster(cell: Cell, tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("K8SLEARN_AUTOSAVE", str(tmp_path))
    monkeypatch.setenv("JPY_SESSION_NAME", "course/01-lesson.ipynb")
    cell("from k8slearn import Cluster\ncluster = Cluster(nodes=2)")
    cell("!kubectl create namespace shop")
    saved = tmp_path / "01-lesson-cluster.jsonl"
    assert "create namespace shop" in saved.read_text()
