"""``%load_ext k8slearn``: the cluster's command lines in a notebook, on any Python kernel.

In a shell on a real cluster you type ``kubectl get pods``. In a notebook ``!kubectl get pods`` would start a program
of the computer that the notebook runs on; with this extension it is answered by the cluster in the notebook's memory,
and so are ``%%yaml``, ``%%kubectl``, ``%%node``, ``%%pod`` and a bare command line. Tab completes verbs, resources
and names.

Reading order: session (which cluster, and how output is written) -> magics -> bare -> completion; missing (a name
that is not there); startup (the lab).

Left out: ``kubectl`` in terminals and in ``%%bash`` cells (that is the computer's own).
"""

from __future__ import annotations

from typing import Any

from k8slearn.errors import Refused
from k8slearn.notebook import bare, completion, magics, missing
from k8slearn.notebook.session import Session

_MARK = "_k8slearn_session"


def load_ipython_extension(shell: Any) -> None:
    """Install magics, completion and in-process ``!kubectl``. Loading it again changes nothing."""
    if getattr(shell, _MARK, None) is not None:
        return
    session = Session(shell)
    setattr(shell, _MARK, session)
    magics.install(shell, session)
    bare.install(shell)
    completion.install(shell, session)
    shell.set_custom_exc((Refused, NameError), _sentence)
    shell.events.register("post_run_cell", lambda *_: session.look())


def _sentence(
    shell: Any, kind: type[BaseException], error: BaseException, trace: Any, tb_offset: Any = None
) -> list[str]:
    """A learner's error is a sentence: no traceback. The cell still counts as failed."""
    said = str(error) if isinstance(error, Refused) else missing.says(shell, error, trace)
    lines: list[str] = [said] if said else shell.InteractiveTB.structured_traceback(kind, error, trace, tb_offset)
    shell._showtraceback(kind, error, lines)
    return lines
