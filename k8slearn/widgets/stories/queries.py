"""The ladder of a lookup: every query that left, in order, whom it was sent to and what came back.

A resolver tries a short name with each domain of its search list (resolv.conf(5)), for A and for AAAA: the rungs. The
last one that was answered with an address ends the climb.

Left out: the packets of a query (each query has a trace of its own: ``lookup.queries[0].trace``).
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

from k8slearn.widgets.story import Line, Part, Story


def ladder(looked: Any) -> Story:
    """The queries of one lookup (`lookups.Looked`), a part for each name that was tried."""
    numbered = enumerate(looked.queries, 1)
    parts = tuple(
        Part(name, tuple(_line(number, query) for number, query in run))
        for name, run in groupby(numbered, key=lambda pair: pair[1].name)
    )
    title = f"{looked.source} looks up {looked.name}"
    return Story(title, parts, f"{looked.name}: {', '.join(looked.addresses) or looked.error}")


def _line(number: int, query: Any) -> Line:
    sign = "no answer" if query.rcode is None else query.rcode
    if sign == "NOERROR":
        sign = "answered" if query.answers else "NODATA"
    details = (
        ("protocol", query.protocol),
        ("answered by", query.answered_by or "nobody"),
        *(("record", answer) for answer in query.answers),
        *((("its packets", query.trace.outcome),) if query.rcode is None else ()),
    )
    return Line(f"{query} @{query.server}", sign, details, str(number))
