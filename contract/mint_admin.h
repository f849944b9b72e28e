/* SPDX-License-Identifier: MIT */
/*
 * Admin protocol: JSON lines on the supervisor's unix socket
 * (<run>/supervisor.sock, 0660 mint:mint; peers are checked by SO_PEERCRED:
 * root or the supervisor's own uid).  Used by mintctl and mint-platform.
 *
 * Request, one line:   {"id": N, "op": "...", ...arguments}
 * Answers, in order of completion, each one line with the request's id:
 *   progress  {"id": N, "progress": "building the environment"}   0 or more
 *   success   {"id": N, "ok": true, "result": {...}}
 *   failure   {"id": N, "ok": false, "error": {"code": "...",
 *              "message": "...", "details": {...}?}}
 * Several requests may be under way on one connection.  A line is at most
 * MINT_ADMIN_LINE_MAX bytes; a longer one closes the connection.
 *
 * Error codes: INVALID, NOT_FOUND, CONFLICT, FORBIDDEN, BUSY, UNAVAILABLE,
 * NOT_BUILT (an operation of a later version), INTERNAL.
 *
 * Operations (arguments -> result)
 *
 *   status                   -> {supervisor_pid, keeper_pid, started_at,
 *       version, state: "starting"|"running"|"stopping", run_directory,
 *       state_directory, data_directory, address, step: text of what is
 *       going on, platform: {state, pid}, nginx: {state, pid, managed},
 *       warm: {state, pid, wanted: false = plugins are exec'ed},
 *       environment: {state, python, path, packages}, identity:
 *       {sequence, users}, protection: [text of each missing one],
 *       limits: {memory, processes, cpu, tree: by what means, landlock_abi,
 *       cgroup: where or why none}, boot_id, plugins: {total, ready,
 *       starting, waiting, failed, stopped}}
 *   plugins                  -> {plugins: [PLUGIN]}
 *       PLUGIN = {id, name, distribution, version, entry_point,
 *       routes_prefix, plugin_type, mode: "shared"|"isolated", state,
 *       reason: one sentence why this mode, error: text|null, list_error:
 *       text|null: why it is not where a list of the configuration wants it,
 *       uid, environment, installed_at, has_frontend, metadata: {...probe},
 *       instances: [{slot, seat, generation, pid, state, started_at,
 *       restarts, last_exit: text|null, role: "current"|"trial"|"old"|
 *       "ending", watch: WATCH|null: not ready}], the current one first,
 *       move: null | {state, cause: "restart"|"upgrade"|"drain", since, error,
 *       traceback, again, activity, serves and refused: versions, if it
 *       resists}, moves: {done, resisted, defects: requests that a closed seat
 *       has let in}, of this supervisor}
 *       WATCH = {health: "up"|"failing"|null, missed, memory_bytes,
 *       memory_limit_bytes: 0 = none, cpu_percent, processes, threads, fds,
 *       requests, websockets, jobs, served, lag_ms, stuck_ms: 0 = not,
 *       stack: text|null}; null is what the host has not said
 *   explain {plugin}         -> {plugin, mode, reason, details: [text], move,
 *       list_error, verdict: VERDICT|null}; null: installed before there was
 *       one.
 *       VERDICT = {engine: {verdict: "fits"|"clashes"|"unknown", doubt:
 *       text|null, clashes: [CLASH]}, resolver: "fits"|"clashes"|"not asked",
 *       conflicts?: [CONFLICT], libraries?: [LIBRARY]: found once the files
 *       were there}
 *       LIBRARY = {sentence, library: that this host lacks|null: the file is
 *       broken, file, package, version: of what needs it, count: of files
 *       that do, debian: package that has it|null}
 *       CLASH = {sentence, package, installed, core: bool, certain: bool,
 *       needs: [STEP], has: [STEP]}: who needs what, and who has it so;
 *       STEP = {by, version, requirement}, the last one asks for the package
 *       CONFLICT = {sentence, environment: "shared": why it is not in it|"own",
 *       kind: "file"|"library", path: below site-packages, or the name of the
 *       library, count: how many of them, packages: [{name, version}]}
 *   logs {plugin?, lines?, after?} -> {lines: [LINE], until, directory,
 *       access_log}: of the plugin, of "platform", "nginx", "warm",
 *       "supervisor" or of all, the last ones or those after a time
 *       (microseconds since 1970, as "until" of an earlier answer), as far as
 *       they are kept in memory; the files in directory and access_log have
 *       all.
 *       LINE = {time, level, plugin, instance?, stream: "output"|
 *       "supervisor", message, request_id?, ...members of a JSON line}
 *   facts                    -> what mintctl doctor goes by: directories,
 *       programs, users, times (doctor_facts()), and outputs: [{name, place,
 *       lines, bytes, cut_bytes, dropped_lines, slowed}]
 *   restart {plugin, now}    -> {plugin, waits: text|null}  once the next
 *       process serves (progress); waits: it is to be done once the users'
 *       work in an older process is.  now: that work ends instead.  The next
 *       process cannot be started: UNAVAILABLE, the old one goes on.
 *       CONFLICT: taken back by a "halt" that came after it
 *   start {plugin}           -> {plugin, waits: null}  once it is ready; what
 *       has made it fail or wait before is forgotten
 *   halt {plugin, now}       -> {plugin, waits: text|null}  once it has ended,
 *       or waits for the work of users; it stays stopped until "start" or
 *       "restart"; now: does not wait for them.  CONFLICT: an older process
 *       is still ending; or taken back by one of those
 *   uninstall {plugin, mode: "keep"|"purge", now, force} -> {plugin,
 *       distribution, version: text|null, mode, waits: text|null, unchanged}
 *       mode: left out: as ordered before, else "keep"; in the answer: of the
 *       last order.
 *       plugin: its name or its package's; once it is gone (purge: and what it
 *       has left), or waits for the work of users.  "start" keeps it until
 *       then.
 *       unchanged: it had been uninstalled before.  CONFLICT: other plugins
 *       declare to need it, unless force; mode "archive": NOT_BUILT
 *   activity {plugin}        -> {plugin, processes: [{seat, role, pid,
 *       answered, text, activity: {known, jobs, results, sessions, uploads,
 *       websockets, requests, owners: [user id]}}]}
 *       what would be lost if its processes ended now; plugin: as of uninstall
 *   history {plugin, lines}  -> {plugin, records: [{time, subject: "plugin"|
 *       "move"|"process", from, to, cause, text?, traceback?, seat?,
 *       generation?, pid?, restarts?, version?, old?, fresh?, ...}]}
 *       at most 100, oldest first
 *   restart_all {}           -> {boot_id} plugins one after the other
 *   install {bundle, force}  -> {name, distribution, version, mode, reason,
 *       replaced: version|null}; bundle = absolute path of a .mint or .whl
 *   plan {bundle, force}     -> PLAN: what "install" would do; with its errors,
 *       in the same line, and it ends when its connection does
 *       PLAN = {name, distribution, version, installed: null | {version, mode,
 *       routes_prefix, capabilities: [text]}, unchanged: it is installed
 *       already, mode, reason, details and verdict as for "explain",
 *       environment: directory of the one it would go to | null: a new one,
 *       packages: {add: [{name, version}], change: [{name, from, to}], remove:
 *       [{name, version}], same: N}, download: {bytes: N|null, known_bytes,
 *       packages: [{name, version, bytes: N|null}]|null, doubt: text|null: why
 *       something is not known}, disk: {bytes: roughly|null, free_bytes},
 *       requires_mint: text|null, requires_python: text|null, programs:
 *       [{name, path: text|null: not found, debian: package that has what is
 *       not found|null}], runtime_requirements: Markdown|null,
 *       routes_prefix: null, capabilities: null, not_known: why these two are
 *       null}
 *   reload {}                -> {restart: [key], plugins: [{plugin, mode: text
 *       |null: gone, reason: text|null, error: text|null}]}
 *       the configuration is read again; restart: keys that have changed but
 *       need MINT to be stopped and started; plugins: those that the lists
 *       concern, as they are now, error: why one stays as it was.  INVALID:
 *       the configuration is, nothing has changed
 *   upgrade {}               -> {supervisor_pid} of the one that answers; the
 *       keeper then starts the program that is in its place now.  CONFLICT:
 *       that one cannot be used, nothing has changed
 *   stop {}                  -> {}        as SIGTERM to the keeper
 *
 * Only for mint-platform (its uid, and the pid the supervisor started):
 *
 *   identity.full {sequence, users: [USER], roles: [ROLE], keys: [KEY],
 *       denied: [{jti, expires}]}          -> {sequence}
 *       USER = {id, username, role: slug, active, session_version}
 *       ROLE = {slug, admin, permissions: [text], plugin_access: "all"|[name]}
 *       KEY  = {id, secret: base64}; the first one signs
 *   identity.change {sequence, user?: USER, role?: ROLE, denied?: {...},
 *       keys?: [KEY]}                      -> {sequence}
 *       answered when in force.  A sequence that is not the next one is
 *       answered with CONFLICT: send identity.full.
 *   directory {}             -> {edge_secret, boot_id, plugins: [{id, name,
 *       token, distribution, version, routes_prefix, metadata}]}
 *       what mint-platform needs to check callbacks; ask again on an unknown
 *       name or token
 */

#ifndef MINT_ADMIN_H
#define MINT_ADMIN_H

#define MINT_ADMIN_SOCKET     "supervisor.sock"
#define MINT_ADMIN_LINE_MAX   (4 * 1024 * 1024)

#endif /* MINT_ADMIN_H */
