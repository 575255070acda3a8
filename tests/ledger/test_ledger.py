"""A ledger is read strictly: what is not understood, and what can match nothing, is one line with file, entry and field."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conformance import frameworks
from conformance.ledger import BadLedger, Names, check, files, known_names, load, own, read
from conformance.ledger.entry import framework_of
from conformance.ledger.names import OTHER_WORKERS
from conformance.values import Severity, Tier

if TYPE_CHECKING:
    from conformance.ledger import Entry

ENTRY = """
[[entry]]
id = "one"
target = ["torch/eager/cpu", "torch/compile"]
op = ["softmax"]
dtype = ["float32"]
family = ["underflow"]
kind = "lost_normal"
reason = "unreported"
versions = ">=2.13"
platform = ["x86_64/avx512"]
note = "loses them"
reproduce = "print(0.0)  # 0.0"
seen = 2026-11-23
"""


def entries(text: str = ENTRY) -> tuple[Entry, ...]:
    return read({"file.toml": text})


def of(*targets: str) -> str:
    """The entry, of other targets."""
    return ENTRY.replace('["torch/eager/cpu", "torch/compile"]', str(list(targets)))


def test_the_committed_ledger_can_be_read_and_can_match_something() -> None:
    found = load()

    assert (
        {"torch", "jax", "tensorflow"} <= {Path(source).stem for source in own()} <= {*frameworks.own(), *OTHER_WORKERS}
    )
    assert {(source, Path(source).stem) for source in own()} == {
        (entry.source, framework_of(target)) for entry in found for target in entry.target
    }
    assert len(found) > 40
    assert all(entry.note and entry.reproduce and entry.reason != "unexplained" for entry in found)


FAULT = """
[[fault]]
id = "big"
title = "it loses small numbers"
what = "1e-38 is 0"
"""


def test_an_entry_tells_the_fault_it_names() -> None:
    named = ENTRY.replace("seen =", 'fault = "big"\nseen =')
    (entry,) = read({"one.toml": named, "two.toml": FAULT})

    assert entry.told is not None
    assert ("big", "it loses small numbers", "two.toml") == (entry.fault, entry.told.title, entry.told.source)
    assert entries()[0].told is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ENTRY + FAULT, "fault big: no entry is of this fault"),
        (
            ENTRY.replace("seen =", 'fault = "bigg"\nseen =') + FAULT,
            "there is no fault 'bigg'; did you mean 'big'",
        ),
        (ENTRY.replace("seen =", 'fault = "bug"\nseen ='), "entry one: fault: there is no fault 'bug'"),
        (ENTRY.replace("seen =", 'fault = "big"\nseen =') + FAULT + FAULT, "fault big: stands twice"),
        (ENTRY + FAULT.replace("title", "titel"), "fault big: titel: no such field; did you mean 'title'"),
        (ENTRY + FAULT.replace('"1e-38 is 0"', '""'), "fault big: what: it is empty"),
        (ENTRY + FAULT.replace('"big"', '"a b"'), "fault a b: id: a name without spaces"),
        (ENTRY + FAULT + 'source = "x"\n', "fault big: source: no such field"),
        (ENTRY + 'told = "x"\n', "entry one: told: no such field"),
        ("fault = 1\n", "fault: tables"),
    ],
)
def test_a_mistake_in_a_fault_is_one_line(text: str, said: str) -> None:
    with pytest.raises(BadLedger, match=said) as caught:
        entries(text)

    assert 1 == len(str(caught.value).splitlines())


def test_what_is_left_out_means_everything() -> None:
    (entry,) = entries(ENTRY.replace('op = ["softmax"]\n', "").replace('dtype = ["float32"]\n', ""))

    assert ((), (), (), Tier.SMOKE, False) == (entry.op, entry.dtype, entry.case, entry.tier, entry.flaky)
    assert (("torch/eager/cpu", "torch/compile"), "file.toml", "2026-11-23") == (
        entry.target, entry.source, str(entry.seen),
    )  # fmt: skip
    assert entry.covers(target="torch/eager/cpu", op="log_softmax", dtype="int8", family="underflow", version="2.14")


@pytest.mark.parametrize(
    ("column", "value", "covered"),
    [
        ("target", "torch/eager/cpu", True),
        ("target", "torch/eager/cuda:0", False),
        ("target", "torch/compile/cuda:0", True),
        ("target", "torch/compiled/cpu", False),
        ("target", "torch/comp", False),
        ("op", "softmax", True),
        ("op", "log_softmax", True),
        ("op", "softmax_vjp", False),
        ("dtype", "float32", True),
        ("dtype", "float3", False),
        ("family", "underflow/x", False),
        ("version", "2.13.0+cpu", True),
        ("version", "2.12.9", False),
        ("version", "git-abc", False),
    ],
)
def test_an_entry_speaks_of_what_its_lists_name(column: str, value: str, covered: bool) -> None:
    (entry,) = entries(ENTRY.replace('["softmax"]', '["softmax", "log_softmax"]'))
    place = {"target": "torch/eager/cpu", "op": "softmax", "dtype": "float32", "family": "underflow", "version": "2.13"}

    assert covered is entry.covers(**place | {column: value})


@pytest.mark.parametrize(("start", "covered"), [("torch", True), ("torc", False), ("torch/eager", True)])
def test_a_target_may_be_named_by_its_first_parts(start: str, covered: bool) -> None:
    (entry,) = entries(ENTRY.replace('["torch/eager/cpu", "torch/compile"]', f'["{start}"]'))

    for target in ("torch/eager/cpu", "torch/eager/cuda:15"):
        assert covered is entry.names("target", target)


def test_a_version_that_is_no_number_is_named_whole() -> None:
    (entry,) = entries(ENTRY.replace(">=2.13", "===git-abc"))

    check([entry], NAMES)
    assert [True, False] == [
        entry.covers(target="torch/compile/cpu", op="softmax", dtype="float32", family="underflow", version=version)
        for version in ("git-abc", "2.13")
    ]


def test_an_empty_ledger_knows_nothing() -> None:
    assert () == entries("# nothing yet\n")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("[entry]\nid = 'x'\n", r"file.toml: entry: tables \[\[entry\]\] are wanted, not {'id': 'x'}"),
        ("entry = [1, 2]\n", r"file.toml: entry: tables \[\[entry\]\] are wanted, not \[1, 2\]"),
        ("entry = 'x'\n", r"file.toml: entry: tables \[\[entry\]\] are wanted, not 'x'"),
        (
            "entry = []\nentries = []\n",
            r"file.toml: 'entries': a ledger has tables \[\[entry\]\] and \[\[fault\]\] and nothing else",
        ),
        (ENTRY.replace("[[entry]]", "[[entries]]"), r"file.toml: 'entries': a ledger has tables \[\[entry\]\]"),
        (ENTRY.replace("[[entry]]", "[[entry"), "file.toml: "),
        (ENTRY.replace('"one"', "one"), "file.toml: "),
        (ENTRY.replace("lost_normal", "lost_norm"), "entry one: kind: unknown kind 'lost_norm'; known: accuracy"),
        (ENTRY.replace("unreported", "wontfix"), "entry one: reason: one of by-design, .* is wanted, not 'wontfix'"),
        (ENTRY + 'tolerance = "2e-3"\n', "entry one: tolerance: no such field; known: id, target"),
        (ENTRY.replace("versions", "versoins"), "entry one: versoins: no such field; did you mean 'versions'"),
        (ENTRY + 'source = "x"\n', "entry one: source: no such field"),
        (ENTRY.replace(">=2.13", "newest"), "entry one: versions: a PEP 440 specifier .* is wanted, not 'newest'"),
        (ENTRY.replace(">=2.13", ""), "entry one: versions: a PEP 440 specifier .* is wanted, not ''"),
        (ENTRY.replace(">=2.13", " ,"), "entry one: versions: a PEP 440 specifier .* is wanted, not ' ,'"),
        (ENTRY.replace('">=2.13"', "2.13"), "entry one: versions: text is wanted, not 2.13"),
        (ENTRY.replace('versions = ">=2.13"\n', ""), "entry one: versions: the field is missing"),
        (ENTRY + 'tier = "high"\n', "entry one: tier: one of smoke, standard, exhaustive is wanted, not 'high'"),
        (ENTRY + "tier = 1\n", "entry one: tier: one of smoke, standard, exhaustive is wanted, not 1"),
        (ENTRY + 'flaky = "yes"\n', "entry one: flaky: true or false is wanted, not 'yes'"),
        (ENTRY.replace('note = "loses them"\n', ""), "entry one: note: it is empty"),
        (ENTRY.replace('"loses them"', '""'), "entry one: note: it is empty"),
        (ENTRY.replace('"loses them"', '"""a\nb"""'), "entry one: note: text without control characters"),
        (ENTRY.replace('id = "one"\n', ""), "entry [?]: id: the field is missing"),
        (ENTRY.replace('"one"', "1"), "entry 1: id: text is wanted, not 1"),
        (ENTRY.replace('"one"', '"a;b"'), "id: a name without spaces, commas and semicolons is wanted, not 'a;b'"),
        (ENTRY.replace('"one"', '"a b"'), "id: a name without spaces"),
        (ENTRY.replace('"one"', '"a,b"'), "id: a name without spaces"),
        (ENTRY.replace('"one"', '""'), "id: a name without spaces"),
        (ENTRY.replace("2026-11-23", '"2026-11-23"'), "entry one: seen: a date .* is wanted, not '2026-11-23'"),
        (ENTRY.replace("2026-11-23", "2026-11-23T00:00:00"), "entry one: seen: a date .* is wanted"),
        (ENTRY.replace("# 0.0", ""), "entry one: reproduce: one line of Python and a comment"),
        (
            ENTRY.replace('["softmax"]', "[]"),
            "entry one: op: a list of names is wanted; leave the field out for everyth",
        ),
        (ENTRY.replace('["softmax"]', '"softmax"'), "entry one: op: a list is wanted, not 'softmax'"),
        (ENTRY.replace('["softmax"]', "3"), "entry one: op: a list is wanted, not 3"),
        (ENTRY.replace('["softmax"]', '["a", 3]'), r"entry one: op\[1\]: text is wanted, not 3"),
        (ENTRY.replace('"torch/compile"', '"jax/jit"'), "entry one: target: names of one framework are wanted"),
        (ENTRY.replace('["torch/eager/cpu", "torch/compile"]', "[]"), "entry one: target: names of one framework are"),
        (ENTRY.replace('["x86_64/avx512"]', "[]"), "entry one: platform: a list of names is wanted, or "),
        (ENTRY + ENTRY, "file.toml: entry one: stands twice, in file.toml too"),
    ],
)
def test_what_is_not_understood_is_refused_in_one_line(bad: str, message: str) -> None:
    with pytest.raises(BadLedger, match=message) as caught:
        entries(bad)

    assert str(caught.value).startswith("file.toml: ")
    assert "\n" not in str(caught.value)


def test_an_id_in_two_files_is_refused() -> None:
    with pytest.raises(BadLedger, match=r"b\.toml: entry one: stands twice, in a\.toml too"):
        read({"a.toml": ENTRY, "b.toml": ENTRY})


def test_an_id_of_the_projects_own_is_refused_in_a_users_file_unless_it_is_left_out(tmp_path: Path) -> None:
    taken = load()[0]
    path = tmp_path / "mine.toml"
    path.write_text(ENTRY.replace('"one"', f'"{taken.id}"'))

    with pytest.raises(BadLedger, match=f"{path}: entry {taken.id}: stands twice, in {taken.source} too"):
        load([path])
    assert [taken.id] == [entry.id for entry in load([path], builtin=False)]


def test_an_entry_of_a_users_file_can_match_something(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(of("my_softmax/numpy/cpu"))
    assert 1 == len(load([path], builtin=False))

    path.write_text(of("troch/eager/cpu"))
    with pytest.raises(BadLedger, match=f"{path}: entry one: target: no framework is called 'troch'; .* 'torch'"):
        load([path])


def test_the_name_of_a_policy_question_is_a_kind_that_is_degraded() -> None:
    (entry,) = entries(ENTRY.replace("lost_normal", "masked-row"))

    assert (True, Severity.DEGRADED) == (entry.policy, entry.severity)
    assert not entry.binds_on("x86_64/avx512", Tier.EXHAUSTIVE)


def test_a_ledger_of_ones_own_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(ENTRY)
    (tmp_path / "latin").write_bytes(b"\xff")

    mine = [tmp_path / "mine.toml"]
    assert ["one"] == [entry.id for entry in load(mine, builtin=False)]
    assert {"one", *(entry.id for entry in load())} == {entry.id for entry in load(mine)}
    (tmp_path / "dos.toml").write_bytes(ENTRY.replace("\n", "\r\n").encode())
    assert ["one"] == [entry.id for entry in load([tmp_path / "dos.toml"], builtin=False)]
    assert ENTRY.count("\n") == files([tmp_path / "dos.toml"])[str(tmp_path / "dos.toml")].count("\r\n")
    for name, why in (("absent", "No such file"), ("latin", "not UTF-8"), ("", "Is a directory")):
        with pytest.raises(BadLedger, match=why) as caught:
            files([tmp_path / name])
        assert str(caught.value).startswith(str(tmp_path / name))
        assert "\n" not in str(caught.value)


# Entries that can match nothing.

NAMES = Names(
    modes={"torch": ("eager", "compile"), "keras:jax": ("eager",)},
    ops=("softmax", "log_softmax"),
    dtypes=("float32", "bfloat16", "int8"),
    families=("underflow", "axes"),
    cases=lambda family, tier: {"underflow": ["all=0,n=7", "wide"], "axes": ["last"]}[family][: tier + 1],
    arrays=("numpy", "torch"),
)


@pytest.mark.parametrize(
    "good",
    [
        ENTRY,
        of("torch"),
        of("torch/compile", "torch/eager/cuda:3"),
        of("keras:jax/eager/cuda:1"),
        of("my_softmax/numpy/cpu"),
        of("my-softmax/torch"),
        of("torch/torch/cuda:0"),  # a kernel of that name
        ENTRY.replace('"underflow"', '"axes", "underflow"'),
        ENTRY + 'case = ["all=0,n=7"]\n',
        ENTRY.replace('family = ["underflow"]\n', "") + 'case = ["last", "all=0,n=7"]\n',
        ENTRY + 'case = ["wide"]\ntier = "standard"\n',
        ENTRY.replace('"x86_64/avx512"', '"any"'),
        ENTRY.replace('"x86_64/avx512"', '"aarch64/neon"'),
        *(ENTRY.replace(">=2.13", v) for v in (">=2.13", "<2", "==2.13.*", "!=2.13", ">=2,<2.1", ">2,<2.1", "~=2.2",
                                                  "<2,!=0,!=0.1", "===2.13", "===git-abc", ">=0", "==2.13rc1", ">=2.13rc1,<2.14", "<1.1,>1.0.9")),
    ],
)  # fmt: skip
def test_an_entry_that_can_match_something_passes(good: str) -> None:
    check(entries(good), NAMES)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (of("torhc/eager/cpu"), "target: no framework is called 'torhc'; the nearest is 'torch'"),
        (of("torhc"), "target: no framework is called 'torhc'; the nearest is 'torch'"),
        (of("my_softmax/numy/cpu"), "target: no framework is called 'my_softmax'; the nearest is 'keras:jax'"),
        (of("my_softmax/numpy/cpu:0"), "target: no device is called 'cpu:0'; the nearest is 'xpu:0'"),
        (of("keras/eager/cpu"), "target: no framework is called 'keras'; .* 'keras:jax'"),
        (of("torch/egaer/cpu"), "target: no mode of torch is called 'egaer'; .* 'eager'"),
        (of("torch/*/cpu"), r"target: no mode of torch is called '\*'"),
        (of("*"), r"target: no framework is called '\*'"),
        (of("keras:jax/compile"), "target: no mode of keras:jax is called 'compile'"),
        (of("torch/eager/cpu0"), "target: no device is called 'cpu0'; the nearest is 'cpu'"),
        (of("torch/eager/cpu/0"), "target: framework/mode/device is wanted, not 'torch/eager/cpu/0'"),
        (of("torch/"), "target: no mode of torch is called ''"),
        (of("torch/eager/cpu", "torch/x/cpu"), "no mode of torch is called 'x'"),
        (ENTRY.replace('"softmax"', '"softmx"'), "op: no op is called 'softmx'; the nearest is 'softmax'"),
        (ENTRY.replace('"softmax"', '""'), "op: no op is called ''; the nearest is 'softmax'"),
        (ENTRY.replace('"float32"', '"flaot32"'), "dtype: no dtype is called 'flaot32'; the nearest is 'float32'"),
        (ENTRY.replace('"float32"', '"*float*"'), r"dtype: no dtype is called '\*float\*'"),
        (ENTRY.replace('"underflow"', '"overflow"'), "family: no family is called 'overflow'; .* 'underflow'"),
        (ENTRY.replace("avx512", "avx521"), "platform: no platform is called 'x86_64/avx521'; .* 'x86_64/avx512'"),
        (ENTRY + 'case = ["all=0,n=8"]\n', "case: no case is called 'all=0,n=8'; the nearest is 'all=0,n=7'"),
        (ENTRY + 'case = ["last"]\n', "case: no case is called 'last'"),  # of another family
        (ENTRY + 'case = ["wide"]\n', "case: no case is called 'wide'"),  # of a higher tier
        *((ENTRY.replace(">=2.13", v), f"versions: no version is {v}")
          for v in (">=3,<2", "<0", "==2.13,==2.14", ">=2.13,<=2.13,!=2.13", ">=2.13rc1,<2.13")),
    ],
)  # fmt: skip
def test_an_entry_that_can_match_nothing_is_refused_with_what_is_nearest(bad: str, message: str) -> None:
    with pytest.raises(BadLedger, match=message) as caught:
        check(entries(bad), NAMES)

    assert str(caught.value).startswith("file.toml: entry one: ")
    assert "\n" not in str(caught.value)


def test_the_names_that_there_are_come_from_the_rooms() -> None:
    names = known_names()

    assert {"torch", "jax", "tensorflow"} <= set(names.modes)
    assert {"eager", "compile"} <= set(names.modes["torch"])
    assert {"eager"} == set(names.modes["tensorflow:onednn-off"])
    assert {"eager", "function", "xla"} == set(names.modes["tensorflow"])
    assert {"softmax", "log_softmax"} <= set(names.ops)
    assert {"bfloat16", "float8_e5m2", "int8", "bool"} <= set(names.dtypes)
    assert {"underflow", "axes"} <= set(names.families)
    assert {"numpy", "torch", "jax", "tensorflow"} <= set(names.arrays)
    smoke, standard = (set(names.cases("underflow", tier)) for tier in (Tier.SMOKE, Tier.STANDARD))
    assert smoke
    assert smoke < standard


def test_another_packages_adapter_may_have_any_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conformance.frameworks.names", lambda: ("torch", "theirs"))
    names = known_names()

    check(entries(of("theirs/whatever/cpu")), names)
    with pytest.raises(BadLedger, match="no mode of torch is called 'whatever'"):
        check(entries(of("torch/whatever/cpu")), names)


def test_no_firm_entry_asks_for_what_a_flaky_one_has_only_sometimes() -> None:
    """jax.jit's NaN of float8_e4m3fn was both: the firm one was stale in one session of ten."""
    found = load()
    firm = [entry for entry in found if entry.binds_on(entry.platform[0], Tier.EXHAUSTIVE)]
    flaky = [entry for entry in found if entry.flaky]
    clashes = [
        (one.id, other.id)
        for one in flaky
        for other in firm
        if other.kind == one.kind and any(other.binds_on(platform, Tier.EXHAUSTIVE) for platform in one.platform)
        for target in one.target
        for op in one.op
        for dtype in one.dtype
        for family in one.family
        if other.covers(target=target, op=op, dtype=dtype, family=family, version=one.versions.strip(">=~"))
    ]

    assert flaky
    assert firm
    assert not clashes
