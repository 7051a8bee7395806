"""Streams: limited, left early, paused, in chunks, and never interrupted in the body of the loop.

    uv run python examples/04_streams/01_stream_processing.py

Shows a stream inside an operation, limits on the waiting, a token, a `break`, progress and partial results, chunks of a
slow source, pausing and resuming, and a memory object stream between two tasks.
"""

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from hother.cancelable import Cancelable, CancelationToken, ManualCancelation, TimeoutCancelation, cancelable_stream
from hother.cancelable.streams import PauseGate, StreamConfig, chunked_cancelable_stream, simulate_stream

LETTERS = StreamConfig(chunk_size=1)
STALLING = StreamConfig(chunk_size=1, stall_after=3, stall_time=60)


async def inside_an_operation() -> None:
    """Use the operation that is already there: the stream ends with it."""
    async with Cancelable.with_timeout(30, name="reading") as operation:
        words = [word async for word in operation.stream(simulate_stream("one,two,six,", StreamConfig(chunk_size=4)))]
    print(f"{operation.context.name}: {words}, {operation.context.partial_result}")


async def stalls() -> None:
    """Limit the waiting for each item; the time that the body takes does not count."""
    try:
        async with cancelable_stream(simulate_stream("abcdef", STALLING), item_timeout=0.1, name="model") as stream:
            async for letter in stream:
                await anyio.sleep(0.15 if letter == "a" else 0)  # longer than the limit, and no harm done
                print(f"got {letter}")
    except TimeoutCancelation as error:
        print(error)


async def takes_too_long() -> None:
    """Limit the waiting for all items together, and look at what came in time."""
    steady = simulate_stream("x" * 1000, StreamConfig(chunk_size=1, delay=0.02))
    stream = cancelable_stream(steady, timeout=0.2, buffer_partial=True, buffer_limit=2)
    try:
        async with stream:
            async for _ in stream:
                pass
    except TimeoutCancelation as error:
        some = 0 < stream.partial.count < 20
        print(f"{error.message}: some items came: {some}, the latest are {stream.partial.buffer}")


async def is_cancelled() -> None:
    """Cancel from the body: the request is seen at the next item, so the body always runs to its end."""
    token = CancelationToken()
    stream = cancelable_stream(simulate_stream("abcdef", LETTERS), token=token)
    try:
        async with stream:
            async for letter in stream:
                if letter == "c":
                    await token.cancel("c is enough")
                print(f"finished with {letter}")
    except ManualCancelation as error:
        print(f"{error.message}: {stream.partial}")


async def is_left_early() -> None:
    """Leave with `break`: the source is closed before the next line runs."""
    async with cancelable_stream(simulate_stream("abcdef", LETTERS), buffer_partial=True) as stream:
        async for letter in stream:
            if letter == "b":
                break
    print(f"left after {stream.partial.buffer}, completed: {stream.partial.completed}")


async def tells_how_far_it_is() -> None:
    """Report after every third item: to the operation without the item, to the function with it."""
    operation = Cancelable(name="import").on_progress(lambda operation_id, message, metadata: print(f"  {message}"))
    async with operation:
        bursts = simulate_stream("abcdefg", StreamConfig(chunk_size=1, delay=0.02, burst_size=3, jitter=0.5, seed=1))
        stream = cancelable_stream(
            bursts, operation, report_interval=3, on_progress=lambda count, latest: print(f"  {count}: {latest}")
        )
        async with stream:
            print("letters:", "".join([letter async for letter in stream]))


async def in_chunks() -> None:
    """Write in batches of three, but let no item wait for longer than a moment."""
    readings = simulate_stream("abcdefgh", StreamConfig(chunk_size=1, stall_after=5, stall_time=0.4))
    async with chunked_cancelable_stream(readings, 3, max_wait=0.1) as stream:
        async for batch in stream:
            print(f"write {batch}")


async def what_a_chunk_has_kept() -> None:
    """Cancel while a chunk is being filled: what it has so far is not lost."""
    stream = chunked_cancelable_stream(simulate_stream("abcde", STALLING), 2, Cancelable.with_timeout(0.1))
    try:
        async with stream:
            async for batch in stream:
                print(f"write {batch}")
    except TimeoutCancelation:
        print(f"cancelled; still to write: {stream.rest}")


async def is_paused() -> None:
    """Hold a stream between two items, for as long as one likes: no limit runs meanwhile."""
    gate = PauseGate()

    async def button() -> None:
        await anyio.sleep(0.2)
        print("resumed")
        gate.resume()

    async with anyio.create_task_group() as group:
        letters = simulate_stream("abcd", LETTERS)
        async with cancelable_stream(letters, gate=gate, item_timeout=0.1) as stream:
            async for letter in stream:
                print(f"got {letter}")
                if letter == "b":
                    gate.pause()
                    print("paused")
                    group.start_soon(button)


async def is_cancelled_while_paused() -> None:
    """Cancel a stream that is held: it ends at once."""
    gate, token = PauseGate(), CancelationToken()
    gate.pause()
    async with anyio.create_task_group() as group:
        group.start_soon(token.cancel, "nobody resumes it")
        try:
            async for letter in cancelable_stream(simulate_stream("abcd", LETTERS), gate=gate, token=token):
                print(f"never got {letter}")
        except ManualCancelation as error:
            print(error.message)


async def between_two_tasks() -> None:
    """Receive from a memory object stream for a while. It stays open: nothing in it is lost."""
    send, receive = anyio.create_memory_object_stream[int](10)

    async def produce(send: MemoryObjectSendStream[int]) -> None:
        with send:
            for number in range(6):
                await send.send(number)

    async with anyio.create_task_group() as group, receive:
        group.start_soon(produce, send)
        async with cancelable_stream(receive) as stream:
            async for number in stream:
                if number == 3:
                    break
        print(f"{stream.partial.count} received, then {[number async for number in cancelable_stream(receive)]}")


async def main() -> None:
    """Show one after the other."""
    await inside_an_operation()
    await stalls()
    await takes_too_long()
    await is_cancelled()
    await is_left_early()
    await tells_how_far_it_is()
    await in_chunks()
    await what_a_chunk_has_kept()
    await is_paused()
    await is_cancelled_while_paused()
    await between_two_tasks()


if __name__ == "__main__":
    anyio.run(main)
