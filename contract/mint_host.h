/* SPDX-License-Identifier: MIT */
/*
 * Protocol between the supervisor and a plugin host (plugin_host/): JSON
 * lines, one way each on two pipes.
 *
 * Start:  <python> <plugin_host>/__main__.py serve [NAME]
 * NAME is for whoever looks at a list of processes.
 * Environment set by the supervisor besides the SDK's own MINT_* variables:
 *   MINT_INSTANCE          "<plugin>.<slot><seat>.<generation>"
 *   MINT_HOST_LISTEN_FD    the seat's listening socket (3)
 *   MINT_HOST_REPORT_FD    report pipe, host writes (4)
 *   MINT_HOST_CONTROL_FD   control pipe, host reads (5)
 *   MINT_HOST_BACKLOG      the backlog uvicorn must pass to listen()
 *   MINT_HOST_STUCK_SEC    0 = a stuck event loop is not reported
 *   MINT_HOST_KEEPALIVE_SEC, MINT_HOST_GRACEFUL_SEC   uvicorn's time-outs
 *   MINT_PLUGIN_DATA_DIR, TMPDIR, HOME
 *
 * Reports (host to supervisor); a line is at most MINT_HOST_LINE_MAX bytes:
 *   {"event": "starting", "pid": N, "python": "3.12.1", "sdk": "1.2.10"}
 *   {"event": "ready", "import_ms": N, "start_ms": N}
 *   {"event": "failed", "stage": "import"|"start", "error": "one line",
 *    "traceback": "..."}
 *   {"event": "lag", "ms": N}               event loop late by more than 250
 *   {"event": "stuck", "ms": N, "stack": "..."}
 *                                          not come round for N ms, longer
 *                                          than MINT_HOST_STUCK_SEC
 *   {"event": "figures", "fds": N, "requests": N, "websockets": N, "jobs": N,
 *    "served": N, "lag_ms": N}             lag_ms: the greatest since the last
 *   {"event": "drained"}                    answer to the drain command
 *   {"event": "activity", "serial": N, "known": bool, "requests": N,
 *    "websockets": N, "jobs": N, "results": N, "sessions": N, "uploads": N,
 *    "owners": ["user id", ...]}           known false: somebody's work may be
 *                                          there that is not counted
 *
 * Commands (supervisor to host):
 *   {"command": "drain"}                    finish, then exit 0
 *   {"command": "activity", "serial": N}
 *   {"command": "figures"}
 * The pipe's end of file means nothing: both ends are held by the keeper.
 *
 * Many in one:  <python> <plugin_host>/__main__.py share
 * One process for several plugins.  In place of the SDK's variables and
 * MINT_HOST_LISTEN_FD:
 *   MINT_HOST_PLUGINS      [{"fd": N, "environment": {...}}]: of each plugin
 *                          its listening socket and its whole environment,
 *                          the SDK's variables, data directory and a TMPDIR
 *                          below that of the process (made if missing)
 *   MINT_HOST_READY_SEC    who is not ready by then has failed
 * Reports about one of the plugins have "plugin": its name; those about the
 * process have not:
 *   {"event": "starting"|"ready"|"failed", "plugin": "x", ...}
 *   {"event": "ready", "plugins": {"x": null, "y": "why it failed"},
 *    "start_ms": N}                        all are ready or have failed, one
 *                                          at least is ready
 *   {"event": "failed", ...}               none is
 *   {"event": "plugins", "plugins": {...}} answer to {"command": "plugins"}
 * "activity" and "figures" are the sums of all plugins.
 *
 * Warm:  <python> <plugin_host>/__main__.py warm [PADDING]
 * Forks processes that go on as "serve" (contract/mint_warm.h); reports
 * "starting", then "ready" or "failed".  Environment:
 *   MINT_HOST_REPORT_FD, MINT_HOST_WARM_FD    as of mint_keeper.h (3, 4)
 *   MINT_HOST_PADDING      room, as PADDING is, in which /proc shows command
 *                          line and environment of those that are forked
 *
 * Probe:  <python> <plugin_host>/__main__.py probe
 * with MINT_PLUGIN_ENTRY_POINT, MINT_PLUGIN_DISTRIBUTION and
 * MINT_PLUGIN_NAME set.  Imports the plugin without serving it and reports
 * on the report pipe (or stdout when MINT_HOST_REPORT_FD is unset):
 *   {"event": "probed", "name", "version", "description", "routes_prefix",
 *    "plugin_type", "analysis_type", "capabilities": {...}, "metadata":
 *    {...all fields of PluginMetadata}, "frontend_dir": path|null,
 *    "config_keys": [..], "config_requires_admin": bool, "events": [..],
 *    "jobs": [..], "migrations": "none"|"legacy"|"alembic",
 *    "module_file": path, "sdk": version, "affinity": "none"|"user"|"session"}
 * or the "failed" event with stage "import".
 */

#ifndef MINT_HOST_H
#define MINT_HOST_H

#define MINT_HOST_LINE_MAX  65536

#endif /* MINT_HOST_H */
