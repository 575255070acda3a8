"""Makes tox know an environment for each release in ``releases.toml``: tox run -e jax-0.8.3."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tox.config.loader.memory import MemoryLoader
from tox.plugin import impl
from tox.tox_env.python.pip.req_file import PythonDeps

if TYPE_CHECKING:
    from tox.config.sets import ConfigSet
    from tox.session.state import State

ROOT = Path(__file__).parent
SHOW = "import importlib.metadata as m, sys; print(*(f'{{n}} {{m.version(n)}}' for n in sys.argv[1:]))"


def subjects() -> dict[str, dict[str, Any]]:
    """What ``releases.toml`` says of each."""
    return tomllib.loads((ROOT / "releases.toml").read_text())


def environments() -> dict[str, list[str]]:
    """Name of an environment → what it holds."""
    return {
        f"{name}-{one['release']}": [
            *subject["package"].format(release=one["release"]).split(), *one.get("with", "").split()
        ]
        for name, subject in subjects().items()
        for one in subject["releases"]
    }  # fmt: skip


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
                commands=["python -m pip check"],
            )
        )
