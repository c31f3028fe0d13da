"""The sandbox, asked as a client asks: what comes back, what is refused, what is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import jwt
import psutil
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from loupe.sandbox.v1.sandbox_pb2 import (
    GetCapabilitiesRequest,
    InputChunk,
    InputFile,
    LimitKind,
    Limits,
    Outcome,
    RunSpec,
)
from loupe.sandbox.v1.sandbox_service_pb2_grpc import SandboxServiceStub
from servers.kit.keys import KeyFolder
from servers.kit.tokens import CodeClaims, sign_code_token
from tests.contract.sandbox_client import Client, reason_of, refusal
from tests.running import Running, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(module_home) -> AsyncIterator[Client]:
    environment = {"LOUPE_SANDBOX_CONCURRENT_RUNS": "2", "LOUPE_SANDBOX_QUEUED_RUNS": "1"}
    async with running("sandbox", module_home, environment) as server, server.channel() as channel:
        yield Client(SandboxServiceStub(channel), KeyFolder(module_home / "keys"), server)


# --- what a program gets back


async def test_a_program_gets_its_output_and_its_files_back(client):
    source = (
        "import sys\n"
        "rows = open('numbers.csv').read().split()\n"
        "open('total.txt', 'w').write(str(sum(map(int, rows))))\n"
        "import os; os.mkdir('out'); open('out/empty.bin', 'w')\n"
        "print('read', len(rows)); print('careful', file=sys.stderr)\n"
        "sys.stdout.buffer.write(b'\\xff\\xfe')\n"
    )
    answer = await client.run(source, inputs={"numbers.csv": b"1\n2\n39\n"})
    assert answer.stdout == b"read 3\n\xff\xfe"
    assert answer.stderr == b"careful\n"
    assert answer.artifacts == {"total.txt": b"42", "out/empty.bin": b""}
    assert answer.result.outcome == Outcome.OUTCOME_COMPLETED
    assert (answer.result.exit_code, answer.result.signal, answer.result.exceeded) == (0, 0, 0)
    described = {item.name: (item.size_bytes, item.sha256, item.media_type) for item in answer.result.artifacts}
    assert described == {
        "total.txt": (2, "73475cb40a568e8da8a045ced110137e159f890ac4da883b6b17dc651b3a8049", "text/plain"),
        "out/empty.bin": (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "text/plain"),
    }
    assert answer.result.runner.startswith("namespaces ")
    assert len(answer.result.runtime_digest) == 64
    assert answer.result.peak_memory_kib > 1000
    assert answer.result.wall_time.ToMilliseconds() < 30_000


async def test_an_exception_comes_back_typed_with_the_programs_line(client):
    source = "def third(x):\n    return x / 0\n\n\nthird(3)\n"
    answer = await client.run(source)
    assert answer.result.outcome == Outcome.OUTCOME_FAILED
    assert answer.result.exit_code == 1
    assert answer.result.error.type == "ZeroDivisionError"
    assert answer.result.error.message == "division by zero"
    assert answer.result.error.line == 2
    assert b'program.py", line 5' in answer.stderr
    assert b"bootstrap" not in answer.stderr


async def test_an_exception_inside_a_library_names_the_line_that_called_it(client):
    answer = await client.run("import json\n\njson.loads('{')\n")
    assert answer.result.error.type == "JSONDecodeError"
    assert answer.result.error.line == 3


async def test_a_program_that_is_no_python_names_its_line(client):
    answer = await client.run("x = 1\ny = (\n")
    assert (answer.result.error.type, answer.result.error.line) == ("SyntaxError", 2)


async def test_an_exit_code_is_the_programs_own(client):
    answer = await client.run("raise SystemExit(7)")
    assert (answer.result.outcome, answer.result.exit_code) == (Outcome.OUTCOME_FAILED, 7)
    assert not answer.result.HasField("error")


async def test_a_signal_of_its_own_is_a_failure_with_that_signal(client):
    answer = await client.run("import os; os.abort()")
    assert (answer.result.outcome, answer.result.signal, answer.result.exceeded) == (Outcome.OUTCOME_FAILED, 6, 0)


async def test_exit_handlers_and_threads_end_before_the_files_are_collected(client):
    source = (
        "import atexit, threading, time\n"
        "atexit.register(lambda: open('late.txt', 'w').write('a'))\n"
        "threading.Thread(target=lambda: (time.sleep(0.1), open('thread.txt', 'w').write('b'))).start()\n"
    )
    assert (await client.run(source)).artifacts == {"late.txt": b"a", "thread.txt": b"b"}


STACK = """
import warnings
warnings.simplefilter("error")
import numpy as np, pandas as pd, scipy.stats, sklearn.cluster, PIL.Image
import matplotlib.pyplot as plt
import random
frame = pd.DataFrame({"a": np.random.random(5), "b": np.random.default_rng().random(5), "c": [random.random()] * 5})
frame.to_csv("data.csv")
sklearn.cluster.KMeans(2, n_init=1).fit(frame)
plt.plot(frame.a); plt.title("größer $x^2$"); plt.savefig("chart.png"); plt.savefig("chart.svg")
plt.figure(); plt.plot([3, 1, 2])
plt.show()
print(hash("text"), scipy.stats.norm.cdf(0))
"""


async def test_two_runs_of_one_seed_give_the_same_bytes_and_the_unsaved_figure_is_captured(client):
    first, second = await asyncio.gather(client.run(STACK, seed=11), client.run(STACK, seed=11))
    assert first.result.outcome == Outcome.OUTCOME_COMPLETED, first.stderr
    assert first.stderr == b""
    assert first.artifacts == second.artifacts
    assert first.stdout == second.stdout
    assert {item.name: (item.media_type, item.is_captured_figure) for item in first.result.artifacts} == {
        "chart.png": ("image/png", False),
        "chart.svg": ("image/svg+xml", False),
        "data.csv": ("text/csv", False),
        "figure-1.png": ("image/png", True),
    }
    other = await client.run(STACK, seed=12)
    assert other.artifacts["data.csv"] != first.artifacts["data.csv"]


DRAWN = """\
import matplotlib.pyplot as plt
import pandas as pd

def draw(axes, numbers):
    for number in numbers:
        axes.bar([number],
                 [2 * number])

figure, axes = plt.subplots()
draw(axes, [1, 2])
axes.axhline(3)
pd.Series([1, 2]).plot(ax=axes)
figure.savefig("chart.svg"); figure.savefig("chart.png", bbox_inches="tight")
"""


async def test_what_was_drawn_comes_with_the_lines_that_drew_it_and_where_it_is(client):
    ran = await client.run(DRAWN)
    (figure,) = ran.result.figures
    assert list(figure.artifact_names) == ["chart.svg", "chart.png"]
    series = figure.axes[0].series
    assert [list(one.lines) for one in series] == [[10, 6], [10, 6], [11], [12]]
    (first,), (second,) = (one.boxes for one in series[:2])
    assert second.x_min > first.x_max
    assert second.y_min < first.y_min
    assert second.y_max == first.y_max


# --- only approved code, once


async def test_code_without_a_token_does_not_run(client):
    assert await refusal(client.send(RunSpec(source="print(1)"))) == ("PERMISSION_DENIED", "CODE_NOT_AUTHORIZED")


async def test_a_token_for_other_code_does_not_count(client):
    spec = RunSpec(source="print(2)", critic_token=client.token("print(1)"))
    assert await refusal(client.send(spec)) == ("PERMISSION_DENIED", "CODE_NOT_AUTHORIZED")


async def test_a_token_signed_by_another_key_does_not_count(client):
    sha256 = hashlib.sha256(b"print(1)").hexdigest()
    forged = sign_code_token(Ed25519PrivateKey.generate(), CodeClaims(sha256, "p", "j", 1, 1), issuer="critic")
    spec = RunSpec(source="print(1)", critic_token=forged)
    assert await refusal(client.send(spec)) == ("PERMISSION_DENIED", "CODE_NOT_AUTHORIZED")


async def test_another_servers_genuine_token_does_not_count(client):
    spec = RunSpec(source="print(1)", critic_token=client.token("print(1)", issuer="orchestrator"))
    assert await refusal(client.send(spec)) == ("PERMISSION_DENIED", "CODE_NOT_AUTHORIZED")


async def test_an_expired_token_does_not_count(client):
    payload = jwt.decode(client.token("print(1)"), options={"verify_signature": False})
    payload["exp"] = int(time.time()) - 30
    spec = RunSpec(source="print(1)", critic_token=jwt.encode(payload, client.keys.private("critic"), "EdDSA"))
    assert await refusal(client.send(spec)) == ("PERMISSION_DENIED", "CODE_NOT_AUTHORIZED")


async def test_a_token_runs_once(client):
    spec = RunSpec(source="print(1)", critic_token=client.token("print(1)"))
    assert (await client.send(spec)).stdout == b"1\n"
    assert await refusal(client.send(spec)) == ("PERMISSION_DENIED", "TOKEN_REPLAYED")


async def test_code_that_needs_an_approval_runs_only_with_one_for_the_same_step(client):
    source = "print('approved')"
    spec = RunSpec(source=source, critic_token=client.token(source, needs_approval=True))
    assert await refusal(client.send(spec)) == ("PERMISSION_DENIED", "CODE_NOT_AUTHORIZED")
    spec.approval_token = client.token(source, issuer="orchestrator", step=4)
    assert await refusal(client.send(spec)) == ("PERMISSION_DENIED", "CODE_NOT_AUTHORIZED")
    spec.approval_token = client.token(source, issuer="orchestrator")
    assert (await client.send(spec)).stdout == b"approved\n"


# --- what the stream must look like


def spec_with_input(client: Client, content: bytes) -> RunSpec:
    spec = RunSpec(source="print(1)", critic_token=client.token("print(1)"))
    spec.inputs.add(name="a.txt", size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    return spec


BROKEN = ("INVALID_ARGUMENT", "BROKEN_STREAM")


async def test_a_stream_that_breaks_the_order_is_refused(client):
    chunk = InputChunk(name="a.txt", data=b"abc")
    assert await refusal(client.send()) == BROKEN
    assert await refusal(client.send(chunk)) == BROKEN
    assert await refusal(client.send(spec_with_input(client, b"abc"), spec_with_input(client, b"abc"))) == BROKEN
    assert await refusal(client.send(spec_with_input(client, b"abc"), InputChunk(name="b.txt", data=b"abc"))) == BROKEN
    assert await refusal(client.send(spec_with_input(client, b"abc"), chunk, chunk)) == BROKEN
    assert await refusal(client.send(spec_with_input(client, b"abcd"), chunk)) == BROKEN
    assert await refusal(client.send(spec_with_input(client, b"abc"))) == BROKEN


async def test_an_input_with_another_digest_is_refused(client):
    call = client.send(spec_with_input(client, b"abc"), InputChunk(name="a.txt", data=b"abd"))
    assert await refusal(call) == ("INVALID_ARGUMENT", "DIGEST_MISMATCH")


async def test_a_limit_over_the_operators_is_refused_by_name(client):
    spec = RunSpec(source="print(1)", critic_token=client.token("print(1)"), limits=Limits(memory_mib=9999))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.send(spec)
    assert reason_of(caught.value) == "LIMIT_TOO_HIGH"
    assert caught.value.details() == "limits.memory_mib is 9999 MiB, at most 2048 MiB"


async def test_inputs_over_the_total_are_refused_before_they_come(client):
    spec = RunSpec(source="print(1)", critic_token=client.token("print(1)"))
    for name in ("a", "b"):
        spec.inputs.append(InputFile(name=name, size_bytes=40 * 1024 * 1024, sha256="0" * 64))
    assert await refusal(client.send(spec)) == ("RESOURCE_EXHAUSTED", "TOO_LARGE")


# --- bounded, and nothing left


def left_behind(server: Running) -> list[str]:
    """The processes that the server started, and its cgroups."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            if f"PPid:\t{server.process.pid}\n" in status.read_text():
                found.append(str(status))
    return found + [str(path) for path in Path("/sys/fs/cgroup").rglob(f"loupe-sandbox-{server.process.pid}-*")]


async def test_a_full_sandbox_refuses_and_a_cancelled_run_leaves_nothing_behind(client):
    idle = len(left_behind(client.server))  # the zygote, and the groups of the sandboxes that wait
    source = "import os\nfor _ in range(3): os.fork()\nprint('here')\nwhile True: pass"
    calls = [await client.begin(source), await client.begin(source)]
    assert len(left_behind(client.server)) > idle
    waiting = asyncio.create_task(client.run("print('my turn')"))
    # The queue has one place: of these two one is refused, whichever came second.
    refused = asyncio.create_task(client.run("print('my turn')"))
    done, _ = await asyncio.wait({waiting, refused}, return_when=asyncio.FIRST_COMPLETED)
    assert await refusal(done.pop()) == ("RESOURCE_EXHAUSTED", "OVERLOADED")
    for call in calls:
        call.cancel()
    (served,) = {waiting, refused} - done if len(done) else {t for t in (waiting, refused) if not t.done()}
    assert (await served).stdout == b"my turn\n"
    # Both places are free again only when their sandboxes are gone.
    await asyncio.gather(client.run("print(1)"), client.run("print(1)"))
    async with asyncio.timeout(30):
        while len(left_behind(client.server)) != idle:  # noqa: ASYNC110 - the pool of another process fills up
            await asyncio.sleep(0.05)


async def test_a_run_whose_sandbox_is_killed_is_unavailable_and_another_runs(client):
    call = await client.begin("print('here', flush=True)\nwhile True: pass")
    for process in psutil.Process(client.server.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    with pytest.raises(grpc.aio.AioRpcError) as broken:
        while await call.read() is not grpc.aio.EOF:
            pass
    assert broken.value.code() == grpc.StatusCode.UNAVAILABLE
    assert reason_of(broken.value) == "UPSTREAM_UNAVAILABLE"
    assert (await client.run("print('my turn')")).stdout == b"my turn\n"


async def test_capabilities_say_what_is_enforced_and_by_what(client):
    answer = await client.stub.GetCapabilities(GetCapabilitiesRequest())
    assert answer.runner == "namespaces"
    assert answer.concurrent_run_count == 2
    maxima = {(limit.kind, limit.unit): limit.maximum_value for limit in answer.limits}
    assert maxima == {
        (LimitKind.LIMIT_KIND_CPU, "cores"): 2,
        (LimitKind.LIMIT_KIND_MEMORY, "MiB"): 2048,
        (LimitKind.LIMIT_KIND_WALL_TIME, "s"): 120,
        (LimitKind.LIMIT_KIND_DISK, "MiB"): 100,
        (LimitKind.LIMIT_KIND_PROCESSES, "processes"): 256,
        (LimitKind.LIMIT_KIND_OUTPUT, "KiB"): 1024,
        (LimitKind.LIMIT_KIND_ARTIFACTS, "artifacts"): 50,
        (LimitKind.LIMIT_KIND_ARTIFACTS, "MiB each"): 32,
        (LimitKind.LIMIT_KIND_INODES, "files and folders"): 4096,
        (LimitKind.LIMIT_KIND_NETWORK, ""): 0,
    }
    assert all(limit.enforced_by for limit in answer.limits)
    assert {"matplotlib", "numpy", "pandas", "pillow", "scikit-learn", "scipy"} <= {p.name for p in answer.packages}


async def test_without_a_runtime_it_says_what_to_run(module_home, tmp_path):
    environment = {"LOUPE_SANDBOX_RUNTIME_DIR": str(tmp_path)}
    async with running("sandbox", module_home, environment, serving=False) as server, server.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await SandboxServiceStub(channel).GetCapabilities(GetCapabilitiesRequest())
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert "make runtime" in str(caught.value.details())
