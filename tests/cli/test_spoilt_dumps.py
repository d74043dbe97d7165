"""Whatever a dump says, it becomes a cluster or is refused in a sentence."""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from k8slearn import Cluster
from k8slearn.errors import Refused
from k8slearn.importing import cluster_from
from tests.api.test_refusals import GOOD, JUNK, mutated, paths

OBJECTS = [*GOOD, *yaml.safe_load(Path(__file__).with_name("kind.yaml").read_text())["items"]]


@st.composite
def spoilt(draw: st.DrawFn) -> Any:
    obj = draw(st.sampled_from(OBJECTS))
    for _ in range(draw(st.integers(1, 2))):
        if isinstance(obj, dict | list):
            how = draw(st.sampled_from(["replace", "remove", "misspell", "twice"]))
            obj = mutated(obj, draw(st.sampled_from(paths(obj))), how, draw(st.sampled_from(JUNK)))
    return obj


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(spoilt(), min_size=1, max_size=2))
def test_a_spoilt_dump_is_a_cluster_or_a_sentence(objects: list[Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with suppress(Refused):
            cluster_from(Cluster, objects)
