"""The examples, run as the programs that they are."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from .programs import EXAMPLES, command, complaints

PRINTED = {
    "01_basics/01_basic_cancelation.py": """\
import: step 1 of 3
import: step 2 of 3
import: step 3 of 3
import: completed
export: cancelled (manual: nobody needs it any more)
caught: operation 'export' was cancelled (manual): nobody needs it any more
item: cancelled (parent: the batch is withdrawn)
batch: cancelled (manual: the batch is withdrawn)
""",
    "01_basics/02_timeout_cancelation.py": """\
operation 'question' was cancelled (timeout): not done within 0.05 s
no answer
piece 0 arrived, 0.1 s for the next
piece 1 arrived, 0.1 s for the next
piece 2 arrived, 0.1 s for the next
all arrived, inf s left
saved
timed out after it was saved
the helper raises as well
""",
    "01_basics/03_manual_cancelation.py": """\
asked to stop by task '__main__.main'
this call was the first: True
this call was the first: False
first stopped: the user has seen enough
second stopped: a thread says so
asked by thread 'button'
either: the service goes down
counting
the thread stopped: timeout
""",
    "01_basics/04_decorated_functions.py": """\
operation 'fetch' was cancelled (timeout): not done within 0.05 s
  processing a
  processing b
2 items
Report.build
tick 0
tick 1
tick 2
operation 'serve' was cancelled (manual): closing time
""",
    "02_advanced/01_combined_cancelation.py": """\
patient: timeout, not done within 0.5 s [timeout]
stopped: manual, the user has seen enough [task '__main__.main']
interrupted: signal, received SIGINT [SIGINT]
finished: condition, the condition 'no rows left' became true [no rows left]
list: timeout, not done within 0.05 s [patience]
any and all: timeout, not done within 0.05 s [minimum time]
operators: signal, received SIGINT [SIGINT]
""",
    "02_advanced/02_shielded_operations.py": """\
delivers_afterwards:
  committed
  operation 'transfer' was cancelled (manual): the user has left
cleans_up:
  connection closed
  operation 'upload' was cancelled (timeout): not done within 0.02 s
has_a_limit:
  operation 'slow': the shielded part was cut off after its limit of 0.02 s
has_a_limit_and_a_request:
  operation 'slow' was cancelled (manual): the user has left
sees_the_request:
  part 1 saved
  part 2 saved
  cancelled: the disk is needed
""",
    "02_advanced/03_operation_registry.py": """\
the tree:
  nightly: running
    download prices: running
    download rates: running
progress: 50.0
  event: download prices cancel_requested
  event: download prices finished
one: ended, not needed today
again: ended, not needed today
unknown: not_found
downloads left: 1
told: 1
  event: download rates cancel_requested
  event: download rates finished
a thread sees: ['nightly']
a thread cancels: ended
history: nightly cancelled, manual
history: download rates cancelled, manual
history: download prices cancelled, manual
numbers: 3 ended, {'manual': 3}
""",
    "02_advanced/04_with_timeout_helper.py": """\
an answer
9 characters
notified
no answer
operation 'weather' was cancelled (timeout): not done within 0.02 s
a page with no weather
operation 'page' was cancelled (timeout): not done within 0.02 s
a good answer, there are 60 s left
an old answer, there is hardly any time
outside of an operation: None
""",
    "02_advanced/05_cancelable_cancel_from_thread.py": """\
download: cancelled, the button was pressed [thread 'button']
render: cancelled, it renders for too long [thread 'watchdog']
first requests: 1
search: found
the thread has tidied up
resize: cancelled, no pictures are needed [thread 'gallery']
collect: cancelled, enough was found [thread 'AnyIO worker thread']
""",
    "02_advanced/06_cancelable_cancel_from_async.py": """\
caught: too many pages
crawl: cancelled, too many pages [task 'supervisor']
the server has closed its connections
server: cancelled, a new version is there [task '__main__.main']
label: cancelled, the customer needs nothing any more [operation 'order']
parcel: cancelled, the customer needs nothing any more [operation 'order']
order: cancelled, the customer needs nothing any more [task 'shopkeeper']
shop: completed
closing the page is the first request: True
ending the session is the first request: False
report: cancelled, the page was closed [task 'browser']
""",
    "02_advanced/07_condition_cancelation.py": """\
operation 'polling' was cancelled (condition): the condition 'the file is there' became true
operation 'watching' was cancelled (condition): stop now was created
found [0, 1, 2, 3, 4]: the condition 'five were found' became true
the disk is 40 % full
the disk is 70 % full
the disk is 95 % full
operation 'recording' was cancelled (condition): the condition 'is_full' became true
error: too hot failed: KeyError('oven'), because of KeyError('oven')
""",
    "04_streams/01_stream_processing.py": """\
reading: ['one,', 'two,', 'six,'], <PartialResult 3 items, completed>
got a
got b
got c
operation 'model' was cancelled (timeout): no item within 0.1 s
waited for 0.2 s in all: some items came: True, the latest are ['x', 'x']
finished with a
finished with b
finished with c
c is enough: <PartialResult 3 items, not completed>
left after ['a', 'b'], completed: False
  3 items
  3: c
  6 items
  6: f
letters: abcdefg
write ['a', 'b', 'c']
write ['d', 'e']
write ['f', 'g', 'h']
write ['a', 'b']
cancelled; still to write: ['c']
got a
got b
paused
resumed
got c
got d
nobody resumes it
4 received, then [4, 5]
""",
    "backend_validation/01_same_outcomes.py": """\
                           asyncio                    uvloop                     trio
ends by itself             completed: nothing raised  completed: nothing raised  completed: nothing raised
fails                      failed: ValueError         failed: ValueError         failed: ValueError
runs out of time           cancelled: Timeout         cancelled: Timeout         cancelled: Timeout
runs out of time, moves on cancelled: nothing raised  cancelled: nothing raised  cancelled: nothing raised
token cancelled before     cancelled: Manual          cancelled: Manual          cancelled: Manual
cancelled by a task        cancelled: Manual          cancelled: Manual          cancelled: Manual
cancelled by a thread      cancelled: Shutdown        cancelled: Shutdown        cancelled: Shutdown
receives a signal          cancelled: Signal          cancelled: Signal          cancelled: Signal
condition becomes true     cancelled: Condition       cancelled: Condition       cancelled: Condition
cancelled around a child   cancelled: Manual          cancelled: Manual          cancelled: Manual
child runs out of time     completed: nothing raised  completed: nothing raised  completed: nothing raised
told to stop in a shield   cancelled: Manual          cancelled: Manual          cancelled: Manual
told to stop too late      completed: nothing raised  completed: nothing raised  completed: nothing raised
stream stalls              failed: Timeout            failed: Timeout            failed: Timeout
all backends agree
""",
}

ELSEWHERE = {
    "02_advanced/08_signal_handling.py": "test_signal_example.py",
    "03_integrations/04_fastapi_example.py": "test_fastapi_example.py",
    "03_integrations/07_multi_worker_jobs.py": "test_multi_worker_example.py",
    "05_monitoring/01_monitoring_dashboard.py": "test_monitoring_example.py",
    "06_llm/01_llm_streaming.py": "llm_program.py",
}
"""Examples that wait for somebody, or need more than a look at what they print, and who does that."""


@pytest.mark.parametrize("name", PRINTED)
def test_example_prints_what_it_shows(name: str, tmp_path: Path) -> None:
    """The example ends by itself, complains of nothing, prints each of the things that it shows, and leaves no file."""
    surroundings = {**os.environ, "TMPDIR": str(tmp_path), "TEMP": str(tmp_path)}
    done = subprocess.run(command(name), capture_output=True, text=True, timeout=20, check=False, env=surroundings)
    assert complaints(done.stderr) == ""
    assert done.stdout == PRINTED[name]
    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_every_example_is_tested() -> None:
    """No example of any folder is left out, here or in the tests that some have of their own."""
    examples = {each.relative_to(EXAMPLES).as_posix() for each in EXAMPLES.glob("*/[0-9]*.py")}
    assert examples == {*PRINTED, *ELSEWHERE}
    for name, test in ELSEWHERE.items():
        assert Path(name).name in Path(__file__).with_name(test).read_text()


def test_readme_names_every_example() -> None:
    """The README of the examples has a line for each that exists, and for no other."""
    named = re.findall(r"^- `(\w+/\w+\.py)`: \S", (EXAMPLES / "README.md").read_text(), re.MULTILINE)
    assert sorted(named) == sorted({*PRINTED, *ELSEWHERE})
