"""Runs one example as a user does, and reads what it prints."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from conftest import skipping_what_is_not_built
from testbed import LIMIT, ROOT, UnavailableError, binary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from testbed import Daemon, Testbed

PACKAGE = ROOT / "clients/python"


class Example:
    """A running example. What it prints is compared line by line."""

    def __init__(self, process: asyncio.subprocess.Process, errors: Path, language: str) -> None:
        self._process = process
        self._errors = errors
        self.language = language

    async def line(self) -> str | None:
        """Read the next line; None at the end."""
        assert self._process.stdout is not None
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), LIMIT)
        except asyncio.TimeoutError:
            pytest.fail(f"the example prints nothing; its errors:\n{self.errors()}")
        # Rust has other quotation marks than Python.
        return line.decode().rstrip("\n").replace('"', "'") if line else None

    async def prints(self, *expected: str, only: Callable[[str], bool] | None = None) -> None:
        """Compare the next lines, of those that ``only`` lets through."""
        found: list[str | None] = []
        while len(found) < len(expected):
            line = await self.line()
            if line is None or only is None or only(line):
                found.append(line)
            if line is None:
                break
        assert found == list(expected), self.errors()

    async def ends(self) -> None:
        """Wait for its end by itself, without another word."""
        await self.prints_no_more()
        assert await asyncio.wait_for(self._process.wait(), LIMIT) == 0, self.errors()
        assert not self.errors()

    async def interrupt(self) -> None:
        """Press Ctrl-C and wait for the end, which leaves no warnings behind."""
        self._process.send_signal(signal.SIGINT)
        await self.prints_no_more()
        code = await asyncio.wait_for(self._process.wait(), LIMIT)
        assert code == -signal.SIGINT, self.errors()
        errors = self.errors()
        if self.language == "rust":
            assert not errors
            return
        # The log of breaks and the traceback; no session left open, no task left behind.
        log, traceback, _ = errors.partition("Traceback")
        assert traceback, errors
        assert all(line.startswith("watch of ") for line in log.splitlines()), errors
        assert errors.endswith("\nKeyboardInterrupt\n"), errors

    async def prints_no_more(self) -> None:
        """Compare with the end of the output."""
        rest = []
        while (line := await self.line()) is not None:
            rest.append(line)
        assert rest == [], self.errors()

    def errors(self) -> str:
        """Return what it has written to stderr."""
        return self._errors.read_text()


def command(language: str, name: str) -> list[str]:
    """Return what runs an example."""
    if language == "python":
        return [sys.executable, str(PACKAGE / "examples" / f"{name}.py")]
    program = binary("informerd", "INFORMERD_BIN", "informerd").parent / "examples" / name
    if not program.exists():
        with skipping_what_is_not_built():
            raise UnavailableError(f"{program} is not built: run `cargo build --examples`")
    return [str(program)]


@asynccontextmanager
async def running(
    language: str, folder: Path, daemon: Daemon, testbed: Testbed, name: str, *arguments: str
) -> AsyncIterator[Example]:
    """Run an example; it is killed if it doesn't end inside."""
    # What is already on the path goes first, so that an installed package can be tested.
    path = [given] if (given := os.environ.get("PYTHONPATH")) else []
    environment = os.environ | {
        "INFORMERD_SERVER": daemon.address,
        "KUBECONFIG": str(testbed.kubeconfig),
        "PYTHONPATH": os.pathsep.join([*path, str(PACKAGE / "src")]),
        "PYTHONUNBUFFERED": "1",
    }
    errors = folder / f"{name}.stderr"
    with errors.open("w") as stderr:
        process = await asyncio.create_subprocess_exec(
            *command(language, name),
            *arguments,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
        )
    try:
        yield Example(process, errors, language)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
