"""Makes tox know an environment for each release in ``releases.toml``: tox run -e jax-0.8.3."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tox.config.loader.memory import MemoryLoader
from tox.plugin import impl
from tox.tox_env.python.pip.req_file import PythonDeps

if TYPE_CHECKING:
    from tox.config.sets import ConfigSet
    from tox.session.state import State

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT))  # tox loads this file by its path
from matrix import environments  # noqa: E402 - after its place is known


@impl
def tox_extend_envs() -> list[str]:
    """Their names."""
    return list(environments())


@impl
def tox_add_core_config(core_conf: ConfigSet, state: State) -> None:  # noqa: ARG001 - the hook's own arguments
    """What each of them holds: a framework at a release, and nothing of this project."""
    for name, packages in environments().items():
        state.conf.memory_seed_loaders[name].append(
            MemoryLoader(
                description=f"{name}, to be asked by: conformance run --python .tox/{name}/bin/python",
                skip_install=True,
                set_env={"PIP_CONSTRAINT": ""},
                deps=PythonDeps("\n".join(packages), ROOT),
            )
        )
