"""What the READMEs show in Python runs against the clusters that they tell to start."""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from testbed import Daemon, binary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ROOT = Path(__file__).parents[3]
#: Longest wait for output.
LIMIT = 60.0


def blocks(readme: Path) -> list[str]:
    """Return the Python blocks of a README."""
    return re.findall(r"^```python\n(.*?)^```", readme.read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Run ``informerd demo`` and give the environment in which its cluster is found."""
    directory = tmp_path_factory.mktemp("demo")
    kubeconfig = directory / "demo.yaml"
    program = binary("informerd", "INFORMERD_BIN", "informerd")
    with subprocess.Popen(
        [program, "demo", "--pace", "50ms", "--kubeconfig-out", kubeconfig],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        address = None
        for line in process.stdout:
            if found := re.match(r"\s+informerd\s+http://(\S+)", line):
                address = found[1]
                break
        assert address is not None, "the demo ended before it said where its daemon is"
        # Nobody else reads the table, and a full pipe would hold the demo up.
        threading.Thread(target=deque, args=(process.stdout, 0), daemon=True).start()
        yield {
            "KUBECONFIG": str(kubeconfig),
            "INFORMERD_SERVER": address,
            "DIRECTORY": str(directory),
        }
        process.kill()


@pytest.fixture
def simulated(tmp_path: Path) -> Iterator[Daemon]:
    """Run ``informerd simulate``, its kubeconfig named as in the README, and serve it."""
    kubeconfig = tmp_path / "sim.yaml"
    program = binary("informerd", "INFORMERD_BIN", "informerd")
    with subprocess.Popen(
        [program, "simulate", "--pace", "50ms", "--kubeconfig-out", kubeconfig],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        # It says where it serves when it does.
        assert process.stdout.readline()
        with Daemon(kubeconfig) as daemon:
            yield daemon
        process.kill()


class Pasted:
    """The block of the project's README, pasted into a file and run beside ``sim.yaml``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self._known: set[str] = set()

    async def reads_until_a_change(self) -> None:
        """Read what it prints: nothing is told twice, nothing left out."""
        assert self.process.stdout is not None
        kind = ""
        while kind != "MODIFIED":
            line = await asyncio.wait_for(self.process.stdout.readline(), LIMIT)
            kind, name = line.decode().split()
            assert name.startswith("web-"), line
            assert (name in self._known) == (kind != "ADDED"), line
            (self._known.discard if kind == "DELETED" else self._known.add)(name)

    async def errors_after_ctrl_c(self) -> str:
        """Interrupt it, and return what it has written to stderr."""
        assert self.process.stderr is not None
        self.process.send_signal(signal.SIGINT)
        return (await asyncio.wait_for(self.process.stderr.read(), LIMIT)).decode()


@asynccontextmanager
async def pasted(server: str, directory: Path) -> AsyncIterator[Pasted]:
    """Run the block; it is killed if it doesn't end inside."""
    (block,) = blocks(ROOT / "README.md")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-u", "-c", block),
        cwd=directory,
        env=os.environ
        | {"INFORMERD_SERVER": server, "PYTHONPATH": str(ROOT / "clients/python/src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield Pasted(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_the_block_of_the_project_runs_as_it_stands(
    simulated: Daemon, tmp_path: Path
) -> None:
    async with pasted(simulated.address, tmp_path) as block:
        await block.reads_until_a_change()
        await asyncio.to_thread(simulated.restart)
        # What lay in the pipe is old.
        for _ in range(20):
            await block.reads_until_a_change()
        errors = await block.errors_after_ctrl_c()
    # The restart is in the log; Ctrl-C leaves nothing behind but its traceback.
    log, traceback, _ = errors.partition("Traceback")
    assert traceback, errors
    assert all(line.startswith("watch of pods at ") for line in log.splitlines()), errors
    assert errors.endswith("\nKeyboardInterrupt\n"), errors


async def test_the_block_of_the_project_runs_on_the_demo(
    demo: dict[str, str], tmp_path: Path
) -> None:
    shutil.copy(demo["KUBECONFIG"], tmp_path / "sim.yaml")
    async with pasted(demo["INFORMERD_SERVER"], tmp_path) as block:
        await block.reads_until_a_change()
        errors = await block.errors_after_ctrl_c()
    assert errors.startswith("Traceback"), errors


async def test_the_example_that_the_package_shows_runs(demo: dict[str, str]) -> None:
    text = (ROOT / "clients/python/README.md").read_text()
    shown = re.search(r"^KUBECONFIG=\S+ INFORMERD_SERVER=\S+ python (\S+)$", text, re.MULTILINE)
    assert shown is not None
    environment = os.environ | demo | {"PYTHONPATH": str(ROOT / "clients/python/src")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-u",
        shown[1],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    line = b""
    while not line.startswith(b"ADDED: "):
        line = await asyncio.wait_for(process.stdout.readline(), LIMIT)
        assert line, "the example ended"
    process.kill()
    await process.wait()


async def test_the_recipe_is_ready_when_it_is(demo: dict[str, str], tmp_path: Path) -> None:
    """The program for a pod, with another place for the file that its probe looks for."""
    (block,) = blocks(ROOT / "docs/recipes.md")
    assert "/run/watcher/ready" in block
    ready = tmp_path / "ready"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-u", "-c", block.replace("/run/watcher/ready", str(ready))),
        env=os.environ | demo | {"PYTHONPATH": str(ROOT / "clients/python/src")},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), LIMIT)
    assert line.startswith(b"ADDED shop/"), line
    assert ready.exists()
    process.kill()
    await process.wait()


@pytest.mark.parametrize("block", blocks(ROOT / "clients/python/README.md"))
async def test_blocks_of_the_package(
    block: str, demo: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in demo.items():
        monkeypatch.setenv(name, value)
    # The library has looked at the environment when it was imported.
    for module in ("config", "config.kube_config"):
        name = f"kubernetes_asyncio.{module}.KUBE_CONFIG_DEFAULT_LOCATION"
        monkeypatch.setattr(name, demo["KUBECONFIG"])
    lines: asyncio.Queue[str] = asyncio.Queue()

    def show(*words: object) -> None:
        lines.put_nowait(" ".join(map(str, words)))

    # As in ``python -m asyncio``, where a reader would paste it.
    code = compile(block, "README.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names: dict[str, Any] = {"print": show}
    pasted = eval(code, names)
    assert inspect.iscoroutine(pasted)
    running = asyncio.create_task(pasted)
    waiting = asyncio.create_task(lines.get())
    done, _ = await asyncio.wait(
        [running, waiting], timeout=LIMIT, return_when=asyncio.FIRST_COMPLETED
    )
    assert waiting in done, running
    running.cancel()
    await asyncio.wait([running])
