"""Text that a learner controls stays text in every report."""

import csv
import html
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8slearn.grading.inert import as_csv, as_filename, as_html, as_markdown, one_line, plain

NASTY = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "=HYPERLINK(1)",
    "@SUM(A1)",
    "\x1b[31mred\x1b[0m",
    "::error::owned",
    "[x](javascript:1)",
    "a|b\n| c |",
    "../../etc/passwd",
    "\ud800",
    "\u202eevil",
    "a\x00b",
    "- + =",
    "%0a::set-output",
    "x\n  ::error::owned",
    "x\u2028::error::x",
    "a ##[error]owned",
]


@pytest.mark.parametrize("text", NASTY)
def test_nothing_that_acts_is_left(text: str) -> None:
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", plain(text))
    assert not re.search(r"(?m)^\s*::|##\[", plain(text))
    assert "\n" not in one_line(text)
    assert "<" not in as_html(text)
    assert '"' not in as_html(text)
    assert not re.search(r"[<>|\[\]`]|^::", as_markdown(text))
    assert as_csv(text)[:1] not in set("=+-@|%")
    assert re.fullmatch(r"[A-Za-z0-9._@+~-]{1,80}", as_filename(text))
    assert not as_filename(text).startswith((".", "-"))


@given(st.text(), st.text())
def test_two_learners_never_share_a_file(one: str, other: str) -> None:
    assert one == other or as_filename(one) != as_filename(other)


@given(st.text(alphabet=st.characters(categories=("L", "N", "P", "S", "Zs"))))
def test_a_readable_text_stays_readable(text: str) -> None:
    assert html.unescape(as_html(text)) == plain(text)
    buffer = io.StringIO()
    csv.writer(buffer).writerow([as_csv(text), "end"])
    assert next(csv.reader(io.StringIO(buffer.getvalue()))) == [as_csv(text), "end"]
