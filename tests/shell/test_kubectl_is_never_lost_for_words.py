"""Any command line, however odd, ends with an exit status and something to read when it failed."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from k8slearn.journal import World
from k8slearn.linux.program import Result
from k8slearn.shell import run
from k8slearn.shell.kubectl import COMMANDS, inline

from .kubectl_world import MANIFEST, made

WORLD = made(1000.0)
WORDS = [
    "",
    *"""
pods | pod | po | svc | deploy | deploy/d | pod/web | web | pending | d | nope | all | nodes | node-1 | ns |
pods,svc | foo | p | events | image | status | restart | a=b | app- | c=nginx | key=value:NoSchedule | key- |
/ | - | -- | ls | ip | -o | yaml | json | name | wide | jsonpath={.items[*].metadata.name} |
jsonpath={range .x}{end} | jsonpath={.items[0 | jsonpath={..name} | custom-columns=A:.metadata.name,B:.spec |
custom-columns=A | -n | kube-system | -A | -l | app=web | app in ( | !x | -f | -c | c | --all |
--replicas=2 | --replicas=x | --port=80 | --port=x | --image=nginx | --dry-run=client |
--for=condition=Ready | --for=jsonpath={.status.phase}=Running | --for=delete | --show-labels |
--sort-by=.metadata.name | --sort-by={.spec[ | --field-selector | status.phase!=Running | x | -p |
{"spec": {"replicas": 4}} | { | --type=merge | --overwrite | --force | --grace-period=0 | -it | --tail=1 |
--help | deployment | service | nodeport | --tcp=80:80 | --tcp=x | configmap | --from-literal=a=b |
--name=x | --type=NodePort | -L | app | --ignore-not-found
""".replace("\n", " ")
    .strip()
    .split(" | "),
]


def asked(world: World, words: list[str], stdin: str = "") -> Result:
    running = run(world, "node:node-1", ["kubectl", *words], stdin)
    while True:
        try:
            world.apply(next(running))
        except StopIteration as end:
            return Result(*end.value)


@settings(max_examples=2500, deadline=None)
@given(
    st.sampled_from(sorted(COMMANDS)),
    st.lists(st.sampled_from(WORDS), max_size=6),
    st.sampled_from(["", MANIFEST, "a: ["]),
)
def test_any_words_are_answered(command: str, words: list[str], stdin: str) -> None:
    result = asked(WORLD.fork(), [command, *words], stdin)
    assert result.exit_code == 0 or result.stderr


def test_every_command_has_help() -> None:
    for command in COMMANDS:
        assert "--namespace" in asked(WORLD.fork(), [command, "--help"]).stdout


def test_a_learners_own_file_reaches_kubectl_by_standard_input() -> None:
    texts = {"web.yaml": "kind: Pod", "svc.yaml": "kind: Service\n"}
    command, stdin = inline("kubectl apply -f web.yaml -n x --filename=svc.yaml", texts.__getitem__)
    assert command == "kubectl apply -n x -f -"
    assert stdin == "# Source: web.yaml\nkind: Pod\n---\n# Source: svc.yaml\nkind: Service\n"
    for command in ("logs -f web", "kubectl -n x logs -f web", "exec web -- cat -f web.yaml"):
        assert inline(command, texts.__getitem__) == (command, "")
    assert inline("apply -f -", texts.__getitem__, "kind: Pod\n") == ("apply -f -", "kind: Pod\n")
