"""What goes wrong, said to a person: what, where, what to try.

A learner's error is a sentence. `Refused` is that sentence; `CommandError` is it for a command that failed.
An error of ours is an assertion and should never be seen.
"""

from __future__ import annotations

LONGEST = 4000
"""Characters of a sentence. A longer one quotes something long, which nobody wants to read."""


class Refused(ValueError):
    """Something was asked that cannot be done; ``str()`` of it is one clear sentence (or a tool's own lines)."""

    def __init__(self, says: str) -> None:
        super().__init__(says if len(says) <= LONGEST else f"{says[: LONGEST // 2]} … {says[-LONGEST // 2 :]}")


class CommandError(Refused):
    """A command failed: `stderr` is what the tool printed there, `exit_code` how it ended."""

    def __init__(self, stderr: str, exit_code: int = 1, stdout: str = "") -> None:
        super().__init__(stderr.rstrip("\n"))
        self.stderr = stderr
        self.exit_code = exit_code
        self.stdout = stdout
