"""Who may be asked: the subjects that each Python has an adapter for, found by starting a worker in it, and worker programs."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import sys
from typing import TYPE_CHECKING

from conformance.asking.connections import Limits, Lost, Process, worker_command
from conformance.asking.pool import Invitation
from conformance.asking.protocol import VERSION
from conformance.frameworks import Subject, adapter, own
from conformance.values import Crashed

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = "here"
"""The name of the interpreter that runs the suite."""

_SECONDS = 60.0


class BadInterpreter(Exception):
    """A path that is no Python, or one whose Python cannot run a worker; the message says why in one line."""


def invitations(pythons: Sequence[str] = (), workers: Sequence[tuple[str, tuple[str, ...]]] = ()) -> list[Invitation]:
    """One invitation for each worker program, and for each subject of each interpreter; of this one where nothing is named.

    Parameters
    ----------
    pythons
        Paths or names of interpreters; ``here`` is the one that runs the suite.
    workers
        (framework, command line) of each worker program, in whatever language.

    Raises
    ------
    BadInterpreter
        If one of them cannot run a worker.
    """
    invited = [Invitation(name, command=command, label=shlex.join(command)) for name, command in workers]
    for python in dict.fromkeys(pythons or ([] if workers else [HERE])):
        path = sys.executable if python == HERE else _found(python)
        invited += [
            Invitation(one.framework, one.variant, python=path, label=python, missing=one.missing)
            for one in catalogue(path)
        ]
    return list(dict.fromkeys(invited))


def is_kernel(name: str) -> bool:
    """Whether a name is a kernel's (``file.py:function``, ``module:function``) and no target's.

    A target's name may hold a colon too: ``torch/eager/cuda:0``, ``keras:numpy/ops``, ``scipy:torch``.
    """
    head, _, function = name.rpartition(":")
    if head.endswith(".py"):
        return True
    variants = [variant.name for variant in adapter(head).variants] if head in own() else []
    return bool(head) and "/" not in name and function not in variants


def _found(python: str) -> str:
    path = shutil.which(python)
    if path is None:
        raise BadInterpreter(f"--python {python}: there is no such program; a path to a Python, or `{HERE}`, is wanted")
    return path


def catalogue(python: str) -> list[Subject]:
    """The subjects that a worker in an interpreter has an adapter for, installed or not.

    Raises
    ------
    BadInterpreter
        If it is no Python from 3.9 on with NumPy from 1.22 on.
    """
    try:
        worker = Process(worker_command(python), Limits(seconds=_SECONDS))
    except OSError as error:
        raise BadInterpreter(f"--python {python}: it cannot be started: {error.strerror}") from None
    try:
        reply, _, _ = worker.exchange({"type": "catalogue"}, [], _SECONDS)
    except Lost as lost:
        how = lost.observation.how if isinstance(lost.observation, Crashed) else "it does not answer"
        raise BadInterpreter(
            f"--python {python}: no worker runs in it, which needs Python 3.9 and NumPy 1.22 or later: {how}"
        ) from None
    finally:
        worker.close()
    if reply["type"] == "catalogue" and reply.get("protocol") == VERSION:
        with contextlib.suppress(TypeError, KeyError, ValueError):
            return [Subject(**{str(k): str(v) for k, v in dict(one).items()}) for one in reply["subjects"]]
    raise BadInterpreter(f"--python {python}: it does not speak protocol {VERSION} of the suite")
