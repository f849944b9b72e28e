# SPDX-License-Identifier: MIT
"""The "serve" command: import, report, serve, and say why it ended."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
import traceback
from typing import Any

from mint_plugin_host import collector, lines
from mint_plugin_host import plugin as plugins
from mint_plugin_host.report import Reporter, failed, one_line, trace
from mint_plugin_host.settings import (
    Settings,
    SettingsError,
    forget_variables,
    read_report_fd,
    read_settings,
)

EXIT_IMPORT = 1
EXIT_START = 3
EXIT_GRACE_SEC = 5.0

LOG_CONFIG = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(levelname)s uvicorn: %(message)s"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "plain",
            "stream": "ext://sys.stderr",
        },
    },
    "loggers": {
        "uvicorn": {
            "handlers": ["stderr"], "level": "INFO", "propagate": False,
        },
    },
}


class StartRefused(Exception):
    """The plugin needs what this host does not provide."""


def serve() -> int:
    begin = time.monotonic()
    reporter = Reporter(-1)
    try:
        reporter = Reporter(read_report_fd())
        settings = read_settings()
    except SettingsError as exc:
        return fail(reporter, "start", exc)
    forget_variables()
    lines.install()
    show_name(os.environ["MINT_PLUGIN_NAME"])
    collector.pause()

    reporter.send({
        "event": "starting",
        "pid": os.getpid(),
        "python": plugins.python_version(),
        "sdk": plugins.sdk_version(),
    })
    try:
        app = create_app(plugins.load_plugin())
    except StartRefused as exc:
        return fail(reporter, "start", exc)
    except BaseException as exc:        # also sys.exit() at import
        return fail(reporter, "import", exc)

    import_ms = round((time.monotonic() - begin) * 1000)
    return _run(app, settings, reporter, import_ms)


def show_name(name: str) -> None:
    """What "top" and "ps -o comm" show: 15 bytes at most."""
    try:
        with open("/proc/self/comm", "w", encoding="utf-8") as stream:
            stream.write(name[:15])
    except OSError:
        from mint_plugin_host import libc   # takes a few milliseconds

        libc.set_name(name)


def create_app(plugin: Any) -> Any:
    """What mint_sdk.runtime.create_plugin_app does, with one look between."""
    from mint_sdk.app import create_standalone_app
    from mint_sdk.plugin_database import plugin_requires_shared_database

    if plugin_requires_shared_database(plugin):
        raise StartRefused(
            f"plugin {plugin.metadata.name!r} requires a shared database, "
            "and this plugin host does not provide one yet"
        )
    app = create_standalone_app(plugin)
    _prepare_logging()
    return app


def _prepare_logging() -> None:
    """The plugin's loggers reach the log, unless it has set up its own."""
    root = logging.getLogger()
    if not root.handlers:
        logging.basicConfig(
            stream=sys.stderr,
            level=logging.INFO,
            format="%(levelname)s %(name)s: %(message)s",
        )
    for name in ("httpx", "httpcore"):  # a line for every callback
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.WARNING)


def _run(
    app: Any, settings: Settings, reporter: Reporter, import_ms: int
) -> int:
    try:
        from mint_plugin_host.server import Application, create_server
    except ImportError as exc:
        refused = StartRefused(
            f"the plugin's environment needs mint-sdk[server]: {exc}"
        )
        return fail(reporter, "import", refused)

    application = Application(app)
    try:
        server = create_server(
            application, settings, reporter, import_ms, LOG_CONFIG
        )
        loop_factory = server.config.get_loop_factory()
    except Exception as exc:
        return fail(reporter, "start", exc)

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        try:
            runner.run(server.serve())
            code = 0
        except BaseException as exc:
            code = _end(server, application, reporter, exc)
        force_exit_later(code)
    return code


def _end(
    server: Any, application: Any, reporter: Reporter, exc: BaseException
) -> int:
    """The exit code after the server was ended by an exception."""
    if not server.started:
        return fail(reporter, "start", application.failure or exc)
    return exit_code(exc)


def exit_code(exc: BaseException) -> int:
    """Says what has ended the event loop."""
    traceback.print_exception(exc)
    if not isinstance(exc, SystemExit):
        print("plugin host: the event loop failed", file=sys.stderr)
        return 1
    print(
        f"plugin host: plugin code ended the process: {exc!r}",
        file=sys.stderr,
    )
    if exc.code is None:
        return 0
    return exc.code if isinstance(exc.code, int) else 1


def fail(reporter: Reporter, stage: str, exc: BaseException) -> int:
    text = trace(exc)
    known = isinstance(exc, (SettingsError, StartRefused))
    error = str(exc) if known else one_line(exc)
    print(f"plugin host: {stage} failed: {error}", file=sys.stderr)
    if not known:
        print(text, end="", file=sys.stderr)
    reporter.send_last(failed(stage, error, "" if known else text))
    return EXIT_IMPORT if stage == "import" else EXIT_START


def force_exit_later(code: int) -> None:
    """A thread of the plugin that never ends must not keep the process."""

    def force() -> None:
        time.sleep(EXIT_GRACE_SEC)
        print("plugin host: leaving threads behind", file=sys.stderr)
        os._exit(code)

    threading.Thread(target=force, daemon=True, name="mint-exit").start()
