"""The benchmark's own logic: medians, noise, verdicts, exponents, tables, and the pages that it renews."""

from __future__ import annotations

import gc
import io
import math
import sys
from pathlib import Path

import anyio
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # as Python does for a program

import measuring
import predecessor
import report
from growth import Curve, Growth, Subject, exponent, grow, larger_half
from measuring import Result, Row, Work, measure, measure_in_calm, per_call, spread
from served import Load, load_line, median, parsed
from tables import NOTHING, Table, alternatives, budget, straight

sys.path.pop(0)

WRK = """Running 1s test @ http://127.0.0.1:8000/
  Latency Distribution
     50%    1.20ms
     99%  850.00us
  4000 requests in 1.00s, 0.50MB read
Requests/sec:   3999.50
"""


async def nothing() -> float:
    return 1.0


def row(limit: float | None = 2.0, *, difference: bool = False, unit: str = "µs") -> Row:
    return Row("a path", "its raw way", limit, nothing, nothing, unit, difference)


def result(ours: float, raw: list[float], limit: float | None = 2.0, *, difference: bool = False) -> Result:
    return Result(row(limit, difference=difference), "asyncio", {"ours": [ours, 100.0, 0.0], "raw": raw})


def growth(curve: Curve, steepness: float) -> Growth:
    return Growth("things", curve, {size: 0.001 * size**steepness for size in (1, 10, 100, 1000)})


def test_value_is_what_the_median_turn_tells() -> None:
    """One slow round of either changes nothing."""
    assert result(6.0, [3.0, 3.0, 3.0, 50.0]).value == 2.0
    assert result(6.0, [3.0, 3.0, 3.0], difference=True).value == 3.0


def test_turns_are_compared_with_the_ones_beside_them() -> None:
    """That the machine runs at half its speed for most of the time changes no ratio."""
    found = Result(row(), "asyncio", {"ours": [6.0, 12.0, 13.0], "raw": [3.0, 6.0, 4.0]})
    assert found.value == 2.0
    assert found.against("other", "raw") is None


@pytest.mark.parametrize(("limit", "within"), [(2.0, True), (1.99, False), (None, True)])
def test_limit(limit: float | None, within: bool) -> None:
    """A row keeps its limit up to the limit itself; one without a limit always does."""
    assert result(6.0, [3.0], limit).within is within


def test_noise_is_told_by_the_raw_way() -> None:
    """A raw way that varies between rounds makes a row noisy, and a single slow round does not."""
    assert spread([10, 10, 10, 10, 90]) == 0
    assert not result(6.0, [10, 11, 10, 11, 90]).is_noisy
    assert result(6.0, [10, 20, 10, 20, 15]).is_noisy


@pytest.mark.loops("asyncio")
async def test_rounds_are_taken_in_turns_and_the_first_does_not_count() -> None:
    """What is compared ran in the same turns, back and forth; a quick run takes fewer; the predecessor joins in."""
    turns: list[str] = []

    def work(name: str) -> Work:
        async def run() -> float:
            turns.append(name)
            return float(len(turns))

        return run

    measured = Row("a path", "", None, work("ours"), work("raw"), others={"other": work("other")}, rounds=4)
    found = await measure(measured, "asyncio", False, lambda path: {"0.11.3": float(len(path))})
    assert turns == [*["raw", "ours", "other", "other", "ours", "raw"] * 2, "raw", "ours", "other"]
    assert found.samples["raw"] == [6.0, 7.0, 12.0, 13.0]
    assert found.samples["0.11.3"] == [6.0] * 4
    quick = await measure(measured, "trio", True, None)
    assert set(quick.samples) == {"raw", "ours"}
    assert len(quick.samples["raw"]) == 3


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize(
    ("quick", "times", "taken"), [(False, ["noisy", "calm", "later"], "calm"), (True, ["noisy", "calm"], "noisy")]
)
async def test_a_busy_machine_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, quick: bool, times: list[str], taken: str
) -> None:
    """A noisy row is measured again, and the calmest time counts; a quick run takes what comes."""
    found = {"noisy": result(6.0, [10, 20, 10, 20, 15]), "calm": result(6.0, [10] * 5), "later": result(6.0, [9] * 5)}
    results = iter(times)

    async def prepared(*_: object) -> Result:
        return found[next(results)]

    monkeypatch.setattr(measuring, "measure", prepared)
    assert await measure_in_calm(found["calm"].row, "asyncio", quick, None) is found[taken]


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize(("unit", "taken"), [("µs", 1), ("B", 0)])
async def test_a_difference_counts_where_the_machine_ran_fastest(
    monkeypatch: pytest.MonkeyPatch, unit: str, taken: int
) -> None:
    """Microseconds are measured three times, since they depend on the machine's speed; other units do not."""
    found = [
        Result(row(difference=True, unit=unit), "asyncio", {"ours": [9.0], "raw": [raw]}) for raw in (3.0, 1.0, 2.0)
    ]
    results = iter(found)

    async def prepared(*_: object) -> Result:
        return next(results)

    monkeypatch.setattr(measuring, "measure", prepared)
    assert await measure_in_calm(found[0].row, "asyncio", False, None) is found[taken]


@pytest.mark.loops("asyncio")
async def test_a_machine_that_stays_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the third time the calmest counts, and is told to be noisy."""
    found = [result(6.0, [10, 10 + more, 10, 10 + more, 10 + more / 2]) for more in (20, 6, 10)]
    results = iter(found)

    async def prepared(*_: object) -> Result:
        return next(results)

    monkeypatch.setattr(measuring, "measure", prepared)
    assert await measure_in_calm(found[0].row, "asyncio", False, None) is found[1]
    assert found[1].is_noisy
    assert next(results, None) is None


@pytest.mark.loops("asyncio")
async def test_time_of_one_call() -> None:
    """What is measured is divided by the repetitions, in microseconds of CPU time: sleeping takes next to none."""
    repeated: list[int] = []

    async def block(times: int) -> None:
        repeated.append(times)
        await anyio.sleep(0.05)

    assert 0 < await per_call(block, 10)() < 5000
    assert repeated == [10]


@pytest.mark.parametrize("steepness", [0, 0.5, 1, 2])
def test_exponent(steepness: float) -> None:
    """The exponent of a power is found."""
    assert exponent({size: 3 * size**steepness for size in (1, 7, 100, 1000)}) == pytest.approx(steepness)


def test_what_costs_once_does_not_hide_the_growth() -> None:
    """Only the larger sizes count, but three of them; a single point has no slope."""
    assert list(larger_half(dict.fromkeys((1, 2, 3, 4, 5, 6, 7, 8), 1.0))) == [5, 6, 7, 8]
    assert list(larger_half(dict.fromkeys((1, 2, 3, 4), 1.0))) == [2, 3, 4]
    assert exponent({1: 1.0}) == 0


@pytest.mark.parametrize(
    ("curve", "steepness", "verdict"),
    [
        (Curve("linear", lambda size: nothing()), 1.05, "linear"),
        (Curve("steep", lambda size: nothing()), 1.2, "**steeper than linear**"),
        (Curve("flat", lambda size: nothing(), level=True), 0.05, "constant"),
        (Curve("rising", lambda size: nothing(), level=True), 0.5, "**steeper than constant**"),
        (Curve("raw", lambda size: nothing(), ours=False), 2, "the raw way"),
    ],
    ids=lambda value: value.name if isinstance(value, Curve) else "",
)
def test_verdict_on_a_curve(curve: Curve, steepness: float, verdict: str) -> None:
    """A curve of ours may be linear, or level where it says so; a raw way may be what it is."""
    assert straight(growth(curve, steepness)) == verdict
    assert growth(curve, steepness).is_fine is not verdict.startswith("**")


def test_a_raw_way_that_is_steep_itself() -> None:
    """What is built on a way that is steeper than linear may be as steep, and no steeper."""
    ours, steeper = (Curve(name, lambda size: nothing()) for name in ("ours", "steeper"))
    like_raw, beyond = growth(ours, 1.3), growth(steeper, 1.4)
    like_raw.raw = beyond.raw = 1.28
    assert [straight(like_raw), straight(beyond)] == ["as steep as the raw way", "**steeper than linear**"]


@pytest.mark.loops("asyncio")
async def test_growth_knows_the_raw_way_beside_it() -> None:
    """Each curve of a subject is told how steep the raw one is."""

    async def steep(size: int) -> float:
        return math.pow(size, 1.5)

    async def straight_on(size: int) -> float:
        return float(size)

    curves = (Curve("ours", straight_on), Curve("raw", steep, ours=False))
    found = await grow(Subject("things", "", "", (1, 10, 100), curves), False)
    assert [each.raw for each in found] == pytest.approx([1.5, 1.5])


@pytest.mark.loops("asyncio")
async def test_growth_takes_the_least_of_several_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each size is measured a few times, and a quick run stops at 1,000."""
    monkeypatch.setattr(gc, "collect", int)
    times: dict[int, int] = {}

    async def took(size: int) -> float:
        times[size] = times.get(size, 0) + 1
        return size / times[size]

    subject = Subject("things", "", "", (1, 10_000), (Curve("curve", took),))
    (full,) = await grow(subject, False)
    assert full.points == {1: 1 / 7, 10_000: 10_000 / 3}
    (quick,) = await grow(subject, True)
    assert list(quick.points) == [1]


def test_table_of_the_budget() -> None:
    """Loops stand side by side; a broken limit is bold, a noisy row has a mark, and a note counts those."""
    noisy = Result(row(1.0), "uvloop", {"ours": [2.0, 6.0, 2.0, 6.0], "raw": [1.0, 3.0, 1.0, 3.0]})
    before = Result(row(), "asyncio", {"ours": [6.0], "raw": [3.0], "0.11.3": [30.0], "raw beside 0.11.3": [2.0]})
    table = budget("Rows", [before, noisy], ["asyncio", "uvloop", "trio"])
    assert table.lines == [["a path", "its raw way", "3 µs", "2.00", "2.00", "~ 2.00", NOTHING, "15.00"]]
    assert "1 of 2" in table.note
    broken = budget("Rows", [result(9.0, [3.0])], ["asyncio"])
    assert broken.lines[0][4] == "**3.00**"
    assert budget("Rows", [result(9.0, [3.0], 7, difference=True)], ["asyncio"]).lines[0][3:5] == ["+7 µs", "+6 µs"]


def test_table_of_others() -> None:
    """What else one could pick is shown in microseconds, where it can do the same."""
    compared = Row("a path", "", None, nothing, nothing, others={"cantok": nothing})
    found = Result(compared, "asyncio", {"ours": [2.0], "raw": [1.0], "cantok": [3.0]})
    assert alternatives([found, result(1.0, [1.0])]).lines == [["a path", "2.00 µs", "1.00 µs", "3.00 µs", NOTHING]]


def test_markdown() -> None:
    """A table has a title, a head, its lines and a note."""
    table = Table("Title", ["a", "b"], [["1", "2"]], "Note.")
    assert table.markdown() == "### Title\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\nNote.\n"


def test_report_of_wrk() -> None:
    """The rate, the slow end in milliseconds, and the CPU time of one request; anything odd is an error."""
    assert parsed(WRK, 0.5) == Load(3999.5, 0.85, 125.0)
    with pytest.raises(ValueError, match="Non-2xx"):
        parsed(WRK + "  Non-2xx or 3xx responses: 3\n", 0.4)
    with pytest.raises(ValueError, match="unable to connect"):
        parsed("unable to connect", 0.0)


def test_load_is_compared_with_the_bare_app() -> None:
    """The medians of the turns are shown, as ratios of the bare app's."""
    assert median([Load(1, 9, 5), Load(2, 8, 6), Load(3, 7, 7)]) == Load(2, 8, 6)
    assert load_line("ours", Load(900, 3, 110), Load(1000, 2, 100)) == [
        *("ours", "900", "0.90", "3.00 ms", "1.50", "110 µs", "+10 µs")
    ]


def test_page_is_renewed_between_its_marks() -> None:
    """Only what lies between the marks of a name changes; a page without them is refused."""
    page = "before\n<!-- budget: made by tests/benchmarks -->\nold\n<!-- end of budget -->\nafter\n"
    renewed = report.replaced(page, "budget", r"new \1")
    start, end = page.splitlines()[1:4:2]
    assert renewed.splitlines() == ["before", start, "", r"new \1", end, "after"]
    assert report.replaced(renewed, "budget", r"new \1") == renewed
    with pytest.raises(ValueError, match="served"):
        report.replaced(page, "served", "")


def test_the_page_has_every_mark() -> None:
    """The command can renew the docs page."""
    text = report.PAGE.read_text(encoding="utf-8")
    for name in ("machine", *report.sections(report.Findings([]))):
        report.replaced(text, name, "")


def test_findings_decide_the_exit_code() -> None:
    """A broken limit on asyncio counts, unless the machine was too noisy to tell; so does a steep curve."""
    linear = Curve("linear", lambda size: nothing())
    assert report.Findings([], results=[result(1.0, [1.0])], growths=[growth(linear, 1.0)]).is_fine
    assert not report.Findings([], results=[result(9.0, [1.0])]).is_fine
    assert report.Findings([], results=[result(90.0, [1.0, 9.0, 1.0, 9.0])]).is_fine
    assert not report.Findings([], growths=[growth(linear, 1.5)]).is_fine


def test_predecessor_is_asked_line_by_line() -> None:
    """A path goes out and its numbers come back."""
    to = io.StringIO()
    assert predecessor.ask(to, io.StringIO('{"0.11.3": 2.5}\n'), "a path") == {"0.11.3": 2.5}
    assert to.getvalue() == "a path\n"
