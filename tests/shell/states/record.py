"""Asks the real tools about every state and writes down what they say: ``python -m tests.shell.states.record``."""

from __future__ import annotations

import json
import time
from pathlib import Path

from tests.shell.conftest import Real, is_question
from tests.shell.states import QUESTIONS, lines, states
from tests.shell.states.plain import plain

RECORD = Path(__file__).parents[2] / "truth" / "tool_states.json"


def ask(done: list[str]) -> dict[str, list[str | int]]:
    """Every question's output, error and exit status in one state, once the kernel has noticed all carriers."""
    real = Real()
    try:
        for line in done:
            said = real.run(line)
            assert is_question(line) or not said.stderr, f"{line}: {said.stderr}"
        time.sleep(2.2)
        return {line: list(plain(line, real.run(line))) for line in lines(QUESTIONS)}
    finally:
        real.close()


def main() -> None:
    found = {name: ask(done) for name, done in states()}
    RECORD.write_text(json.dumps(found, indent=0, sort_keys=True) + "\n")
    print(f"{len(found)} states, {sum(map(len, found.values()))} outputs")


if __name__ == "__main__":
    main()
