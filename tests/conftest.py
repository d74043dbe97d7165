"""What every test shares: on the project's own machine (K8SLEARN_CI=1) a skipped test is a failed one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("here", deadline=None)
"""No test depends on how fast a machine is."""
settings.register_profile("ci", settings.get_profile("here"), derandomize=True)
"""What lands is judged by the same examples each time; a person's runs try new ones."""
settings.load_profile("here")

ELSEWHERE = "other people's files are not here"
"""The one reason to skip that is good everywhere: the test reads files that this project may not carry."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite", action="store_true", help="write the transcripts anew, with what is printed now")


@pytest.fixture
def calls() -> Callable[[Callable[[], Any]], int]:
    """How many Python functions some work calls: a measure that no other program on the machine changes."""

    def counted(work: Callable[[], Any]) -> int:
        made = 0

        def count(_frame: Any, event: str, _argument: Any) -> None:
            nonlocal made
            made += event == "call"

        sys.setprofile(count)
        try:
            work()
        finally:
            sys.setprofile(None)
        return made

    return counted


def _no_skips(report: Any) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if report.skipped and not hasattr(report, "wasxfail") and ELSEWHERE not in reason:
        report.outcome = "failed"
        report.longrepr = f"skipped, and K8SLEARN_CI allows no skips: {reason}"


if os.environ.get("K8SLEARN_CI"):
    settings.load_profile("ci")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport() -> Generator[None, Any, Any]:
        report = yield
        _no_skips(report)
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report() -> Generator[None, Any, Any]:
        report = yield
        _no_skips(report)
        return report
