# SPDX-License-Identifier: MIT
"""The "probe" command: what a plugin says about itself, without serving.

The app is built as for serving, since route clashes, bad job limits and a
frontend without index.html show only then; nothing is started.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from mint_plugin_host import plugin as plugins
from mint_plugin_host.report import (
    LineTooLong,
    Reporter,
    clean,
    encode,
    failed,
    one_line,
    trace,
)
from mint_plugin_host.settings import (
    REPORT_FD,
    SettingsError,
    forget_variables,
    read_report_fd,
)

EXIT_FAILED = 1


def probe() -> int:
    try:
        fd = read_report_fd()
    except SettingsError as exc:
        print(f"plugin host: {exc}", file=sys.stderr)
        return EXIT_FAILED
    if fd < 0:
        fd = _take_stdout()
    reporter = Reporter(fd)
    forget_variables()

    scratch = tempfile.mkdtemp(prefix="mint-probe-")
    tempfile.tempdir = scratch
    try:
        report = _shorten(_describe())
        code = 0
    except BaseException as exc:        # also sys.exit() at import
        report = failed("import", one_line(exc), trace(exc))
        print(report["traceback"], end="", file=sys.stderr)
        code = EXIT_FAILED
    finally:
        tempfile.tempdir = None
        shutil.rmtree(scratch, ignore_errors=True)
    reporter.send_last(report, wait_sec=10.0)

    # a thread that the plugin's import has started must not keep us
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _take_stdout() -> int:
    """The report gets stdout; what the plugin prints goes to stderr."""
    fd = os.dup(1)
    os.dup2(2, 1)
    return fd


def _describe() -> dict[str, Any]:
    plugin = plugins.load_plugin()
    from mint_sdk.app import create_standalone_app
    from mint_sdk.plugin_decorators import (
        declared_event_names,
        resolve_plugin_config_requires_admin,
    )

    create_standalone_app(plugin)
    metadata = plugin.metadata
    name = os.environ.get("MINT_PLUGIN_ENTRY_POINT") or metadata.name
    module = sys.modules.get(type(plugin).__module__)
    return {
        "event": "probed",
        "name": metadata.name,
        "version": metadata.version,
        "description": metadata.description,
        "routes_prefix": metadata.routes_prefix,
        "plugin_type": metadata.plugin_type,
        "analysis_type": metadata.analysis_type,
        "capabilities": _capabilities(metadata),
        "metadata": clean(metadata),
        "frontend_dir": _frontend_dir(plugin),
        "config_keys": _config_keys(plugin),
        "config_requires_admin": resolve_plugin_config_requires_admin(plugin),
        "events": clean(declared_event_names(plugin)),
        "jobs": _jobs(plugin),
        "migrations": _migrations(plugin),
        "module_file": getattr(module, "__file__", None),
        "sdk": plugins.sdk_version(),
        "affinity": plugins.affinity(
            name, os.environ.get("MINT_PLUGIN_DISTRIBUTION", "")
        ),
    }


def _capabilities(metadata: Any) -> dict[str, Any]:
    """As declared, the three open ones filled in from the plugin type."""
    from mint_sdk.models import resolve_plugin_access_policy

    declared = clean(metadata.capabilities)
    policy = resolve_plugin_access_policy(
        metadata.plugin_type, metadata.capabilities
    )
    return {**declared, **clean(policy)}


def _frontend_dir(plugin: Any) -> str | None:
    folder = plugin.get_frontend_dir()
    if folder:
        return str(folder)
    if getattr(type(plugin), "__mint_generated_ui__", None) is None:
        return None
    import mint_sdk.app

    generated = Path(mint_sdk.app.__file__).parent / "static" / "generated-ui"
    return str(generated) if generated.is_dir() else None


def _config_keys(plugin: Any) -> list[str]:
    from mint_sdk.config import config_model_storage_keys
    from mint_sdk.plugin_decorators import resolve_plugin_config_model

    model = resolve_plugin_config_model(plugin)
    return sorted(config_model_storage_keys(model)) if model else []


def _jobs(plugin: Any) -> list[str]:
    from mint_sdk.analysis import _get_jobs

    return [str(definition.id) for definition in _get_jobs(plugin)]


def _migrations(plugin: Any) -> str:
    from mint_sdk.plugin_database import get_plugin_migration_spec

    if get_plugin_migration_spec(plugin) is not None:
        return "alembic"
    package = getattr(plugin, "get_migrations_package", lambda: None)()
    return "legacy" if package else "none"


def _shorten(report: dict[str, Any]) -> dict[str, Any]:
    """Leaves out the largest optional parts until the line fits."""
    for name in ("design_schema", "icon", "nav_items", "description"):
        try:
            encode(report)
            return report
        except LineTooLong:
            report["metadata"][name] = None
            report.setdefault("omitted", []).append(f"metadata.{name}")
    encode(report)
    return report
