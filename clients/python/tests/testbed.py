"""The real control plane and the real daemon as child processes of the tests."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any, Protocol

ROOT = Path(__file__).resolve().parents[3]
#: Longest wait for a process that reports nothing; a healthy one takes some seconds.
LIMIT = 120.0
#: Exit code of the testbed when kube-apiserver and etcd are missing.
_NOT_BUILT = 3
_LOG_LINES = 30


class UnavailableError(Exception):
    """Something isn't built; the text names the command that builds it."""


def binary(name: str, variable: str, package: str) -> Path:
    """Find a binary of this repository: named by the environment, else where cargo puts it."""
    configured = os.environ.get(variable)
    path = Path(configured) if configured else ROOT / "target/debug" / name
    if not path.is_file():
        remedy = f"run `cargo build --package {package} --bin {name}`, or set {variable}"
        raise UnavailableError(f"{path} is missing: {remedy}")
    return path


class Testbed:
    """A kube-apiserver with its own etcd. Its commands return when they are done."""

    # The name is no invitation to pytest.
    __test__ = False

    #: A file for the one who may do everything.
    kubeconfig: Path
    url: str
    #: The certificates to trust.
    ca_file: Path
    #: Logs, keys and data.
    directory: Path

    def __init__(self, *apiserver_flags: str) -> None:
        program = binary("informerd-testbed", "INFORMERD_TESTBED", "informerd-support")
        flags = [f"--apiserver-flag={flag}" for flag in apiserver_flags]
        self._child = subprocess.Popen(
            [program, *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            where = self._answer()
        except BaseException:
            self.close()
            raise
        self.kubeconfig = Path(where["kubeconfig"])
        self.url = where["url"]
        self.ca_file = Path(where["ca_file"])
        self.directory = Path(where["directory"])

    def stop_apiserver(self) -> None:
        """Kill the apiserver, as a crash would."""
        self._ask("stop-apiserver")

    def start_apiserver(self) -> None:
        """Start it anew on the same port and data, and wait until it is ready."""
        self._ask("start-apiserver")

    def compact(self) -> int:
        """Let etcd forget its history, and return the revision up to which it did.

        A running apiserver still has recent changes in memory. It forgets them by
        :meth:`start_apiserver`.
        """
        return int(self._ask("compact")["revision"])

    def apiserver_pid(self) -> int | None:
        """Tell the process id of the apiserver; None while it is stopped."""
        pid = self._ask("pid")["apiserver_pid"]
        return None if pid is None else int(pid)

    def close(self) -> None:
        """End both processes; all files go with them."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.close()
        self._child.wait(LIMIT)
        self._child.stdout.close()

    def __enter__(self) -> Testbed:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, command: str) -> dict[str, Any]:
        assert self._child.stdin is not None
        print(json.dumps({"do": command}), file=self._child.stdin, flush=True)
        answer = self._answer()
        if "error" in answer:
            raise RuntimeError(f"{command}: {answer['error']}")
        return answer

    def _answer(self) -> dict[str, Any]:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if line:
            answer = json.loads(line)
            assert isinstance(answer, dict)
            return answer
        code = self._child.wait(LIMIT)
        if code == _NOT_BUILT:
            raise UnavailableError("kube-apiserver and etcd are missing: run `make envtest`")
        raise RuntimeError(f"the testbed ended with {code}; its error is on stderr")


class Daemon:
    """One ``informerd serve``. It keeps its address over :meth:`restart`."""

    #: ``host:port`` of its gRPC server, the first if it listens on several addresses.
    address: str
    #: ``host:port`` of its admin server; another one after each restart.
    admin: str

    def __init__(self, kubeconfig: Path, *arguments: str, guarded: bool = False) -> None:
        self._kubeconfig = kubeconfig
        self._arguments = arguments
        # Most tests are about streams, not about who may have them.
        self._access = [] if guarded else ["--insecure-allow-anyone"]
        self._child: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        #: What all its runs wrote, line by line.
        self.log: list[str] = []
        self.address = "127.0.0.1:0"
        self.start()

    def start(self) -> None:
        """Start it and wait until it serves."""
        assert self._child is None, "the daemon is already running"
        command = [
            *_bound_to_this_process(),
            str(binary("informerd", "INFORMERD_BIN", "informerd")),
            *("serve", "--listen", self.address, "--admin-listen", "127.0.0.1:0"),
            *self._access,
            *("--log-format", "json", "--log", "info,informerd=debug"),
            *("--kubeconfig", str(self._kubeconfig), *self._arguments),
        ]
        self._child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        serving: queue.SimpleQueue[tuple[str, str] | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, args=(self._child, serving), daemon=True)
        self._reader.start()
        try:
            addresses = serving.get(timeout=LIMIT)
        except queue.Empty:
            addresses = None
        if addresses is None:
            self.kill()
            raise RuntimeError("the daemon does not serve; its log:\n" + "\n".join(self.log))
        self.address, self.admin = addresses

    def terminate(self) -> int:
        """Ask it to stop, as the kubelet does; return its exit code."""
        return self._end(signal.SIGTERM)

    def ask_to_stop(self) -> None:
        """Send SIGTERM and don't wait: what happens until the end is the test's concern."""
        assert self._child is not None, "the daemon isn't running"
        self._child.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it without warning."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Kill it without warning and start another one at the same address."""
        self.kill()
        self.start()

    @property
    def pid(self) -> int | None:
        """Its process id; None while it doesn't run."""
        return None if self._child is None else self._child.pid

    def pause(self) -> None:
        """Let it do nothing until :meth:`go_on`: what happens meanwhile is told late."""
        assert self._child is not None, "the daemon isn't running"
        self._child.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it work again."""
        assert self._child is not None, "the daemon isn't running"
        self._child.send_signal(signal.SIGCONT)

    def page(self, path: str) -> str:
        """Read a page of the admin port, for example ``/metrics``."""
        with urllib.request.urlopen(f"http://{self.admin}{path}", timeout=LIMIT) as answer:
            text = answer.read().decode()
        assert isinstance(text, str)
        return text

    def metric(self, name: str, labels: str = "") -> float:
        """Sum up a metric over all its label sets whose text contains ``labels``.

        What the daemon has not counted yet is 0. Names of counters end in ``_total``.
        """
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in self.page("/metrics").splitlines()
            if line.startswith((f"{name}{{", f"{name} ")) and labels in line
        )

    def close(self) -> None:
        """End it if it runs, and print the end of its log, which pytest shows for a failed test."""
        if self._child is not None:
            self.kill()
        if self.log:
            print("--- the daemon's log", *self.log[-_LOG_LINES:], sep="\n", file=sys.stderr)

    def __enter__(self) -> Daemon:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _end(self, number: signal.Signals) -> int:
        assert self._child is not None, "the daemon isn't running"
        assert self._reader is not None
        self._child.send_signal(number)
        code = self._child.wait(LIMIT)
        self._reader.join(LIMIT)
        self._child = None
        return code

    def _read(
        self,
        child: subprocess.Popen[str],
        serving: queue.SimpleQueue[tuple[str, str] | None],
    ) -> None:
        assert child.stderr is not None
        with child.stderr as lines:
            for line in lines:
                self.log.append(line.rstrip("\n"))
                if (addresses := _serving_line(line)) is not None:
                    serving.put(addresses)
        serving.put(None)


class StartDaemon(Protocol):
    """Starts a daemon that belongs to the test; a guarded one asks who calls."""

    def __call__(self, testbed: Testbed, *arguments: str, guarded: bool = False) -> Daemon: ...


class StartTestbed(Protocol):
    """Starts a control plane that belongs to the test."""

    def __call__(self, *apiserver_flags: str) -> Testbed: ...


def _serving_line(line: str) -> tuple[str, str] | None:
    """Return the addresses if this is the line that says that the daemon serves."""
    try:
        fields = json.loads(line).get("fields", {})
    except ValueError:
        return None
    if fields.get("message") != "serving":
        return None
    return fields["address"].split(",")[0], fields["admin"]


def _bound_to_this_process() -> list[str]:
    """Let the child die with a test process that is killed, where util-linux offers it."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
