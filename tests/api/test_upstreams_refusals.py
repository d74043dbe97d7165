"""Wrong Services, policies, slices and ranges are refused with the API server's own words, cause by cause."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from k8slearn import Cluster
from k8slearn.api import kinds
from k8slearn.errors import Refused

ROWS: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "refusals.yaml").read_text())
FORM = "regex used for validation is"
QUALIFIED = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric"
)
SENTENCES = {
    "LABEL": "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and "
    f"end with an alphanumeric character (e.g. 'my-name',  or '123-abc', {FORM} '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
    "SUBDOMAIN": "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
    f"must start and end with an alphanumeric character (e.g. 'example.com', {FORM} "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    "NAME": f"{QUALIFIED} character (e.g. 'MyName',  or 'my.name',  or '123-abc', {FORM} "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
    "VALUE": "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
    f"start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', {FORM} "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
}
"""util/validation's sentences about names."""


def made(kind: str, rest: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": kinds.named(kind).api_version, "kind": kind, "metadata": {"name": "x"}, **rest}


def expected(kind: str, says: list[str]) -> str:
    for short, sentence in SENTENCES.items():
        says = [f"{cause.removesuffix(short)}{sentence}" if cause.endswith(f": {short}") else cause for cause in says]
    many = "".join(f"\n* {cause}" for cause in says)
    return f'The {kind} "x" is invalid: {many if len(says) > 1 else says[0]}'


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return Cluster(nodes=1)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{next(iter(row))} {row['says'][0]}"[:90])
def test_a_wrong_object_is_refused_in_upstreams_words(cluster: Cluster, row: dict[str, Any]) -> None:
    kind = next(iter(row))
    if "becomes" in row:
        cluster = cluster.at(cluster.journal.revision)
        cluster.apply(made(kind, row[kind]))
    with pytest.raises(Refused) as refused:
        cluster.apply(made(kind, row.get("becomes", row[kind])))
    assert str(refused.value) == expected(kind, row["says"])


def test_there_are_many() -> None:
    assert len(ROWS) >= 100
