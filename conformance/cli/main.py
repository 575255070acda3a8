"""The group of the commands, and what becomes of an error."""

from __future__ import annotations

import signal
import sys
import traceback
from typing import TYPE_CHECKING

import click

import conformance
from conformance.asking import plan
from conformance.cli.check import check
from conformance.cli.clusters import clusters
from conformance.cli.compare import compare
from conformance.cli.diff import diff
from conformance.cli.hunt import hunt
from conformance.cli.ledger import ledger
from conformance.cli.listing import list_
from conformance.cli.report import report
from conformance.cli.reproduce import reproduce
from conformance.cli.run import run
from conformance.cli.status import INCOMPLETE, MISTAKE, USAGE
from conformance.cli.sweep import sweep
from conformance.cli.trend import trend
from conformance.cli.vectors import export, judge

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLES = """
\b
Examples:
  conformance run                                   every target, standard tier
  conformance run --tier smoke --target torch       one framework, under a minute
  conformance run --target 'jax/jit/*' --dtype bfloat16 --family underflow
  conformance run --resume                          go on with a run that was interrupted
  conformance check my_softmax.py:softmax           your own function, a few seconds
  conformance sweep torch --dtype float16           every gap of a format, and the worst of it
  conformance list families
  conformance report reports/partial/* --out reports/latest
  conformance ledger update known.toml              write what is new into a list of known findings of your own
  conformance reproduce 0123456789ab                a script that shows one finding of a report again
  conformance clusters                              which targets give the same bits
  conformance compare torch/eager/cpu torch/compile/cpu
  conformance diff reports/before reports/latest    what broke, what is gone, what is fixed
  conformance trend reports/latest                  which releases show which finding
  conformance export vectors                        questions for a machine without this suite
"""


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXAMPLES)
@click.version_option(conformance.__version__, prog_name="conformance")
def cli() -> None:
    """Ask frameworks for softmax of adversarial rows, and compare their answers with the truth."""


for command in (
    run, check, hunt, sweep, list_, report, ledger, reproduce, clusters, compare, diff, trend, export, judge,
):  # fmt: skip
    cli.add_command(command)


def _interrupt(number: int, _frame: object) -> None:
    """SIGTERM and SIGHUP are Ctrl-C: what was done is kept."""
    raise KeyboardInterrupt(signal.Signals(number).name)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; every error a user can cause is one line on stderr."""
    from conformance.asking.interpreters import BadInterpreter
    from conformance.cases import BrokenFamily
    from conformance.frameworks import BrokenPlugin
    from conformance.frameworks.contract import BadContract
    from conformance.frameworks.kernel import BadKernel
    from conformance.ledger import BadLedger
    from conformance.record import RecordError, printable
    from conformance.sweep.cluster import NoCluster
    from conformance.sweep.plan import NothingToSweep

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)
    try:
        status = cli.main(arguments, prog_name="conformance", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(USAGE)
    except click.ClickException as error:
        message = error.format_message()
    except (
        plan.UnknownName, plan.MissingTarget, RecordError, BadLedger, BadInterpreter, BadKernel, BadContract, BrokenFamily,
        BrokenPlugin, NothingToSweep, NoCluster,
    ) as error:  # fmt: skip
        message = str(error)
    except (click.Abort, KeyboardInterrupt):
        click.echo("conformance: interrupted; nothing was written", err=True)
        sys.exit(INCOMPLETE)
    except Exception:  # noqa: BLE001 - a mistake of the suite is no finding, which status 1 would say it is
        traceback.print_exc()
        sys.exit(MISTAKE)
    else:
        sys.exit(status)
    click.echo(f"conformance: {printable(message)}", err=True)
    sys.exit(USAGE)
