"""``conformance list``: what there is to ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from conformance.asking import plan
from conformance.cli.status import OK
from conformance.values import Tier
from reference.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable


@click.command(name="list")
@click.argument("what", type=str, metavar="[targets|families|checks|policies|ledger|dtypes]")
def list_(what: str) -> int:
    """List what there is to ask for: targets, families, checks, policies, the ledger, dtypes."""
    from conformance import cases, ledger
    from conformance.judgement.checks import all_checks
    from conformance.judgement.policies import POLICIES

    lists: dict[str, Callable[[], list[str]]] = {
        "targets": _targets_here,
        "families": lambda: [f"{name:14} {family.reason}" for name, family in cases.families().items()],
        "checks": lambda: [f"{check.kind:14} {check.severity:10} {check.rule}" for check in all_checks()],
        "policies": lambda: [f"{name:14} {p.question}: {', '.join(p.choices)}" for name, p in POLICIES.items()],
        "ledger": lambda: [f"{e.id:40} {', '.join(e.target)} {e.kind}: {e.note}" for e in ledger.load()],
        "dtypes": lambda: list(FORMATS),
    }
    plan.check_names("list", [what], lists)
    for line in lists[what]():
        click.echo(line)
    return OK


def _targets_here() -> list[str]:
    from conformance.asking.interpreters import invitations
    from conformance.asking.pool import Pool
    from conformance.record import printable
    from conformance.run import Options, introduce

    options = Options(tier=Tier.SMOKE, invitations=invitations())
    with Pool(options.jobs, options.limits) as pool:
        here = introduce(pool, options)
    lines = [f"{printable(str(target)):34} {printable(target.version)}" for _, target in here.targets()]
    return lines + [f"{one.framework:34} absent: {printable(why)}" for one, why in here.absent.items()]
