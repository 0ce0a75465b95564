"""A headless Chromium, driven by the DevTools protocol."""

import base64
import contextlib
import functools
import itertools
import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import websocket

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian's package chromium)")


class Page:
    """One page; what it writes to its console is kept in `console`, by level."""

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(address, timeout=60, suppress_origin=True)
        self._number = itertools.count()
        self.console: list[tuple[str, str]] = []
        for domain in ("Page", "Runtime", "Log"):
            self.command(f"{domain}.enable")

    def command(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._number)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        match message["method"]:
            case "Runtime.consoleAPICalled":
                words = (str(part.get("value", part.get("description"))) for part in params["args"])
                self.console.append((params["type"], " ".join(words)))
            case "Runtime.exceptionThrown":
                self.console.append(("error", params["exceptionDetails"]["exception"].get("description", "")))
            case "Log.entryAdded":
                entry = params["entry"]
                self.console.append((entry["level"], f"{entry['text']} {entry.get('url', '')}"))

    def evaluate(self, expression: str) -> Any:
        return self.command("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def wait_for(self, condition: str, seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not self.evaluate(f"Boolean({condition})"):
            assert time.monotonic() < end, (condition, self.evaluate("document.body.innerText"))
            time.sleep(0.1)

    def click(self, selector: str) -> None:
        self.wait_for(f"document.querySelector({selector!r})")
        self.evaluate(f"document.querySelector({selector!r}).click()")

    def go_to(self, address: str) -> None:
        self.command("Page.navigate", url=address)

    def screenshot(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(self.command("Page.captureScreenshot")["data"]))


@contextlib.contextmanager
def open_page(folder: Path, *, width: int = 1400, height: int = 1000) -> Iterator[Page]:
    """A page of a browser that keeps its things in a folder."""
    assert CHROMIUM is not None
    size = f"--window-size={width},{height}"
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", size]
    command = [CHROMIUM, *options, "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as browser:
        try:
            assert browser.stderr is not None
            told = (re.search(r"DevTools listening on ws://[^:]+:(\d+)", line) for line in browser.stderr)
            port = next(filter(None, told))[1]
            threading.Thread(target=browser.stderr.read, daemon=True).start()  # or it fills the pipe and waits
            yield Page(_first_tab(port))
        finally:
            browser.kill()


def _first_tab(port: str) -> str:
    with urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
        return next(tab["webSocketDebuggerUrl"] for tab in json.load(answer) if tab["type"] == "page")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a folder served over HTTP."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
