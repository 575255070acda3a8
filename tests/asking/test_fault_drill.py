"""The fault drill: whatever an adapter does on one row of many, that row says what it was, and all others are answered.

python tests/asking/test_fault_drill.py --write docs/fault-drill.md
"""

from __future__ import annotations

import os
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from conformance.asking.connections import Limits
from conformance.asking.pool import Invitation
from conformance.record import Memory
from conformance.record.rows import findings_of
from conformance.run import Options, Run
from conformance.values import Tier

HERE = Path(__file__).parent
PAGE = Path(__file__).parents[2] / "docs" / "fault-drill.md"
LIMITS = Limits(seconds=3, start=6, memory=2**29, output=2**20)
CULPRIT = "all=+1000,n=17"


@dataclass(frozen=True)
class Expected:
    """What has to be recorded.

    Attributes
    ----------
    outcome
        Of the culprit's observation; of no row where the adapter is absent.
    said
        A part of what is said of it: of its finding, its reason, or why the adapter is absent.
    kind
        The kind of its finding; empty where there is none.
    """

    outcome: str
    said: str
    kind: str = ""


def raised(text: str) -> Expected:
    return Expected("raised", text, "raised")


def crashed(text: str) -> Expected:
    return Expected("crashed", text, "crashed")


def effect(text: str) -> Expected:
    return Expected("answered", text, "side_effect")


ABSENT = "absent"

DRILL = {
    "raises": raised("ValueError: no such row"),
    "raises hostile text": raised(r"ValueError: a\ud800\x00\x1b[31m<script>"),
    "raises what cannot be printed": raised("Unreadable: its message cannot be read"),
    "raises KeyboardInterrupt": raised("KeyboardInterrupt"),
    "raises SystemExit": raised("SystemExit: 0"),
    "raises no Exception": raised("Rude: rude"),
    "raises MemoryError": raised("MemoryError"),
    "raises RecursionError": raised("RecursionError: maximum recursion depth"),
    "exits with 0": crashed("exit status 0"),
    "exits with 7": crashed("exit status 7"),
    "reads address 0": crashed("ended by SIGSEGV; last words: Fatal Python error: Segmentation fault"),
    "aborts": crashed("ended by SIGABRT"),
    "kills itself": crashed("ended by SIGKILL"),
    "sleeps": Expected("timed_out", "no answer within 3 s", "timed_out"),
    "sleeps holding the interpreter": Expected("timed_out", "no answer within 3 s", "timed_out"),
    "takes memory without end": Expected("out_of_memory", "took more than 0.5 GiB", "out_of_memory"),
    "prints without end": crashed("printed more than 1 MiB"),
    "writes to every descriptor": crashed("broke the protocol: no line of JSON: 'noise'"),
    "closes every descriptor": crashed("the process ended"),
    "closes its streams": Expected("answered", ""),
    "leaves the processor flushing": effect("left the processor flushing subnormal numbers"),
    "changes the folder": effect("changed the working directory"),
    "removes the folder": effect("changed the working directory"),
    "replaces np.exp": effect("replaced numpy.exp"),
    "makes NumPy raise": effect("changed numpy's error state"),
    "changes a setting": effect("changed threads from 2 to 7"),
    "forks a child that sleeps": Expected("answered", ""),
    "comes back twice": Expected("answered", ""),
    "returns NaN": Expected("answered", "returned nan", "nonfinite"),
    "returns another shape": Expected("answered", "shape", "shape"),
    "returns another dtype": Expected("answered", "float64 came back", "dtype"),
    "returns nothing": raised("AttributeError"),
    "returns objects": raised("an array of object cannot be sent"),
    "returns text": raised("cannot be sent"),
    "writes to its input": Expected("answered", "input array was changed", "input_written"),
    "misstates its dtype": raised("its adapter returned float64 as float32"),
    "misstates its storage": raised("its adapter returned float32 as uint8"),
    "names a hostile dtype": Expected("answered", r"a\ud800\x00\x1b[31m<script>", "dtype"),
    "raises at import": Expected(ABSENT, "its library is broken"),
    "raises no Exception at import": Expected(ABSENT, "Rude: at import"),
    "exits at import": Expected(ABSENT, "exit status 0"),
    "crashes at import": Expected(ABSENT, "SIGSEGV"),
    "sleeps at import": Expected(ABSENT, "no answer within 6 s"),
    "prints at import": Expected("answered", ""),
    "has a hostile version": Expected("answered", ""),
    "cannot name its devices": Expected(ABSENT, "RuntimeError: no driver"),
    "has a device of a strange name": Expected("answered", ""),
    "flushes on the way in": Expected("unsupported", "transport: element"),
    "rounds on the way in": Expected("unsupported", "transport: element"),
    "crashes over its program": Expected("answered", ""),
    "crashes when it forgets": Expected("answered", ""),
}


@dataclass(frozen=True)
class Outcome:
    """What a run recorded of the drill's adapter."""

    outcome: str
    said: str
    kinds: tuple[str, ...]
    others: int
    honest: int
    complete: bool
    worse: tuple[str, ...]
    """Cases other than the culprit with a finding, or without an answer."""


@pytest.fixture(autouse=True)
def _plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))


def install(folder: Path) -> None:
    """Put the plugin, and the metadata that names it, into a folder."""
    (folder / "misbehaving.py").write_text((HERE / "drill" / "misbehaving.py").read_text())
    metadata = folder / "misbehaving-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: misbehaving\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(
        "[conformance.frameworks]\ndrill = misbehaving:Misbehaving\nhonest = misbehaving:Honest\n"
    )


def drilled(way: str) -> Outcome:
    """Ask both adapters with one misbehaving in one way."""
    os.environ["DRILL"] = way
    options = Options(
        tier=Tier.STANDARD,
        invitations=[Invitation("drill"), Invitation("honest")],
        ops=("softmax",),
        dtypes=("float32",),
        families=("all_equal",),
        devices=("cpu",),
        limits=LIMITS,
        controls=False,
        claims=False,
    )
    run = Run(options, Memory())
    record = run.execute()
    assert run.failure is None
    rows = record.observations
    mine, honest = (rows[rows["framework"] == name] for name in ("drill", "honest"))
    complete = record.complete and (honest["severity"] == "none").all() and (honest["outcome"] == "answered").all()
    if mine.empty:
        return Outcome(ABSENT, record.absent["drill"], (), 0, len(honest), complete, ())
    [culprit] = mine[mine["case"] == CULPRIT].to_dict("records")
    found = findings_of(culprit)
    others = mine[mine["case"] != CULPRIT]
    bad = others[(others["outcome"] != "answered") | (others["findings"] != "")]
    return Outcome(
        culprit["outcome"],
        "; ".join(finding.detail for finding in found) or culprit["reason"],
        tuple(finding.kind for finding in found),
        len(others),
        len(honest),
        bool(complete),
        tuple(bad["case"]),
    )


X86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="the control register is set in x86 machine code")


@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=X86) if way == "leaves the processor flushing" else way for way in DRILL]
)
def test_one_fault_is_one_case(way: str) -> None:
    expected, seen = DRILL[way], drilled(way)

    assert expected.outcome == seen.outcome, seen
    assert expected.said in seen.said
    assert seen.said.isprintable()
    assert (expected.kind in seen.kinds) if expected.kind else not seen.kinds, seen
    assert seen.complete
    assert seen.honest == 72
    if expected.outcome == "unsupported":
        assert len(seen.worse) == seen.others  # the whole border is not to be trusted
    elif expected.outcome != ABSENT:
        assert (72 - 1, ()) == (seen.others, seen.worse)


def test_there_are_forty_and_each_is_planted() -> None:
    sys.path.insert(0, str(HERE / "drill"))
    try:
        import misbehaving  # noqa: PLC0415 - a plugin, on the path for this test alone
    finally:
        sys.path.pop(0)
    source = (HERE / "drill" / "misbehaving.py").read_text()

    assert len(DRILL) >= 40
    assert {*misbehaving.CALLS, *misbehaving.LIES} <= set(DRILL)
    assert [] == [way for way in DRILL if f'"{way}"' not in source]


def table() -> str:
    """The drill as Markdown."""
    lines = ["| what the adapter does | recorded as | what is said of it | other rows answered |", "|---|---|---|--:|"]
    for way in DRILL:
        seen = drilled(way)
        said = re.sub(r"[|`<]", lambda mark: f"&#{ord(mark[0])};", seen.said)[:160]
        kinds = ", ".join(dict.fromkeys(seen.kinds))
        recorded = f"{seen.outcome}{f' ({kinds})' if kinds else ''}"
        others = f"{seen.others - len(seen.worse)} of {seen.others}; {seen.honest} of 72 of its neighbour"
        lines.append(f"| {way} | {recorded} | {said or '—'} | {others} |")
    return "\n".join(lines)


def test_the_page_lists_the_drill() -> None:
    lines = [line.split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    listed = {cells[0].removeprefix("| "): cells[1] for cells in lines[1:]}

    assert list(DRILL) == list(listed)
    assert [] == [way for way, expected in DRILL.items() if not listed[way].startswith(expected.outcome)]


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        install(Path(place))
        os.environ["PYTHONPATH"] = place
        text = table()
    page = Path(sys.argv[sys.argv.index("--write") + 1]) if "--write" in sys.argv else None
    if page:
        section = f"<!-- drill -->\n\n{text}\n\n<!-- /drill -->"
        page.write_text(
            re.sub(r"<!-- drill -->.*<!-- /drill -->", lambda _: section, page.read_text(), flags=re.DOTALL)
        )
    print(text)  # noqa: T201 - a script
