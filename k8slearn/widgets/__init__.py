"""Drawing a world or a trace: what a learner sees first. Everything here draws; nothing here computes a fate.

People draw a network as boxes and wires. So do we, from the rows of the world: `scene` reads the facts, `layout`
gives them places, and every face (SVG, text, a networkx graph, a matplotlib figure, two widgets) says that scene's
facts.

Reading order: scene -> layout -> picture -> journey (a packet's way over it) -> trace_view -> topology, player;
and for whatever is a list of lines (rules, tables, calls, queries): story -> story_widget, with `stories` to fill it.
Who reaches whom: matrix_face (the picture), policy_lines (the YAML beside it), matrix_widget.

Left out: more than 40 nodes (counted).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from k8slearn.matrix import Matrix
    from k8slearn.widgets.exercise_widget import ExerciseCard
    from k8slearn.widgets.matrix_widget import MatrixWalk
    from k8slearn.widgets.player_widget import Player
    from k8slearn.widgets.prediction_widget import PredictionCard
    from k8slearn.widgets.progress_widget import ProgressCard
    from k8slearn.widgets.topology_widget import Topology

__all__ = ["exercise_card", "matrix_walk", "player", "prediction_card", "progress_card", "topology"]


def topology(cluster: Any) -> Topology:
    """The cluster's topology, alive: point at a box to see its addresses, routes, neighbours and rules."""
    from k8slearn.widgets.topology_widget import Topology

    return Topology(cluster)


def exercise_card(exercise: Any) -> ExerciseCard:
    """An open exercise as a card with its questions, a check and a hint."""
    from k8slearn.widgets.exercise_widget import ExerciseCard

    return ExerciseCard(exercise)


def matrix_walk(matrix: Matrix, before: Matrix | None = None) -> MatrixWalk:
    """A matrix whose cells open beside the policies' YAML; with `before`, what has changed since is marked."""
    from k8slearn.widgets.matrix_widget import MatrixWalk

    return MatrixWalk(matrix, before)


def player(
    cluster: Any,
    source: str = "",
    destination: str = "",
    port: int = 80,
    protocol: str = "TCP",
    exercise: Any = None,
    question: str | None = None,
) -> Player:
    """The trace player: choose who sends to whom, predict the outcome, send, and step through every hop.

    With an `exercise` and a `question` of it, the prediction is recorded as its answer before anything is revealed;
    if the question takes evidence, the step that you look at can be handed in as that.
    """
    from k8slearn.widgets.player_widget import Player

    return Player(cluster, source, destination, port, protocol, exercise, question)


def prediction_card(prediction: Any) -> PredictionCard:
    """A lesson's question, to be answered before the lesson shows what is so."""
    from k8slearn.widgets.prediction_widget import PredictionCard

    return PredictionCard(prediction)


def progress_card(progress: Any) -> ProgressCard:
    """How far a learner has come, to be downloaded here and read in there."""
    from k8slearn.widgets.progress_widget import ProgressCard

    return ProgressCard(progress)
