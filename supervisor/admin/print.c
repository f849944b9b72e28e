/* SPDX-License-Identifier: MIT */
/*
 * Turns results of the admin protocol into lines and tables.
 */

#include <stdio.h>
#include <string.h>

#include "print.h"


#define PRINT_COLUMNS  6


static void print_row(const char *label, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void print_process(const char *label, json_t *process);
static void print_reason(json_t *result);
static void print_verdict(json_t *verdict, const char *reason);
static void print_sentences(json_t *list, const char *reason);
static void print_move(json_t *plugin);
static size_t print_width(const char *text);
static void print_table(const char *const *cells, size_t rows);
static const char *print_pid(json_t *plugin, char *text, size_t size);


void
print_status(json_t *result)
{
    size_t       i;
    json_t      *plugins, *identity, *protection, *limits, *text;
    const char  *step, *error;

    plugins = json_object_get(result, "plugins");
    identity = json_object_get(result, "identity");
    protection = json_object_get(result, "protection");
    step = print_text(result, "step");

    printf("mint %s is %s at %s\n", print_text(result, "version"),
           print_text(result, "state"), print_text(result, "address"));

    if (step[0] != '\0') {
        print_row("now", "%s", step);
    }

    print_row("since", "%s (supervisor pid %lld, keeper pid %lld)",
              print_text(result, "started_at"),
              (long long) json_integer_value(json_object_get(result,
                                                     "supervisor_pid")),
              (long long) json_integer_value(json_object_get(result,
                                                     "keeper_pid")));

    if (print_text(result, "keeper_absent_since")[0] != '\0') {
        print_row("keeper", "none since %s: what is to be started, stopped or "
                  "restarted waits for the next one",
                  print_text(result, "keeper_absent_since"));
    }

    print_process("nginx", json_object_get(result, "nginx"));
    print_process("platform", json_object_get(result, "platform"));

    if (json_is_true(json_object_get(json_object_get(result, "warm"),
                                     "wanted")))
    {
        print_process("warm", json_object_get(result, "warm"));
    }

    print_row("plugins", "%lld of %lld ready",
              (long long) json_integer_value(json_object_get(plugins,
                                                     "ready")),
              (long long) json_integer_value(json_object_get(plugins,
                                                     "total")));

    error = print_text(json_object_get(result, "environment"), "error");
    if (error[0] != '\0') {
        print_row("packages", "%s", error);
    }

    print_row("users", "%lld",
              (long long) json_integer_value(json_object_get(identity,
                                                     "users")));
    print_row("state", "%s", print_text(result, "state_directory"));
    print_row("run", "%s", print_text(result, "run_directory"));

    limits = json_object_get(result, "limits");
    print_row("limits", "memory by %s, processes by %s, CPU by %s",
              print_text(limits, "memory"), print_text(limits, "processes"),
              print_text(limits, "cpu"));

    json_array_foreach(protection, i, text) {
        print_row(i == 0 ? "missing" : "", "%s",
                  json_is_string(text) ? json_string_value(text) : "");
    }
}


void
print_plugins(json_t *result)
{
    char         pids[64][16];
    size_t       i, n;
    json_t      *list, *plugin;
    const char  *cells[(64 + 1) * PRINT_COLUMNS];

    static const char *const  heads[PRINT_COLUMNS] = {
        "NAME", "VERSION", "MODE", "STATE", "PID", "PREFIX"
    };

    list = json_object_get(result, "plugins");
    if (json_array_size(list) == 0) {
        printf("no plugins are installed\n");
        return;
    }

    memcpy(cells, heads, sizeof(heads));
    n = 1;

    json_array_foreach(list, i, plugin) {
        cells[n * PRINT_COLUMNS] = print_text(plugin, "name");
        cells[n * PRINT_COLUMNS + 1] = print_text(plugin, "version");
        cells[n * PRINT_COLUMNS + 2] = print_text(plugin, "mode");
        cells[n * PRINT_COLUMNS + 3] = print_text(plugin, "state");
        cells[n * PRINT_COLUMNS + 4] = print_pid(plugin, pids[n - 1],
                                                 sizeof(pids[0]));
        cells[n * PRINT_COLUMNS + 5] = print_text(plugin, "routes_prefix");

        if (++n == 65) {
            print_table(cells, n);
            n = 1;
        }
    }

    if (n > 1) {
        print_table(cells, n);
    }

    json_array_foreach(list, i, plugin) {
        if (json_is_object(json_object_get(plugin, "move"))) {
            print_move(plugin);

        } else if (print_text(plugin, "error")[0] != '\0') {
            printf("\n%s: %s\n", print_text(plugin, "name"),
                   print_text(plugin, "error"));
        }
    }
}


void
print_decision(json_t *result)
{
    size_t   i;
    json_t  *details, *text;

    print_reason(result);

    details = json_object_get(result, "details");
    json_array_foreach(details, i, text) {
        if (json_is_string(text)) {
            printf("  %s\n", json_string_value(text));
        }
    }

    print_verdict(json_object_get(result, "verdict"),
                  print_text(result, "reason"));
}


void
print_explain(json_t *result)
{
    const char  *traceback, *unfollowed;

    printf("%s is ", print_text(result, "plugin"));
    print_decision(result);
    unfollowed = print_text(result, "list_error");

    if (unfollowed[0] != '\0') {
        printf("plugins.forceIsolated and plugins.forceShared want it "
               "elsewhere, which cannot be: %s\n", unfollowed);
    }

    traceback = print_text(json_object_get(result, "move"), "traceback");

    if (traceback[0] != '\0') {
        printf("the process that was refused has ended with\n%s%s",
               traceback, traceback[strlen(traceback) - 1] != '\n'
                          ? "\n" : "");
    }
}


/* what else than the installed packages the engine had to look at */

static const char *
print_basis(json_t *engine)
{
    const char  *basis;

    basis = print_text(engine, "basis");

    return strcmp(basis, "cached") == 0
           ? " (with releases that uv has kept)"
           : strcmp(basis, "resolved") == 0
           ? " (with releases that the resolver has read)" : "";
}


/* nothing for plugins that were installed before there was one; a clash that
   the reason is made of has been printed */

static void
print_verdict(json_t *verdict, const char *reason)
{
    json_t  *engine;

    engine = json_object_get(verdict, "engine");

    if (engine == NULL) {
        return;
    }

    printf("  engine: %s", print_text(engine, "verdict"));

    if (print_text(engine, "doubt")[0] != '\0') {
        printf(" (%s)", print_text(engine, "doubt"));
    }

    printf("%s; resolver: %s\n", print_basis(engine),
           print_text(verdict, "resolver"));

    print_sentences(json_object_get(engine, "clashes"), reason);
    print_sentences(json_object_get(verdict, "conflicts"), reason);
    print_sentences(json_object_get(verdict, "libraries"), reason);
}


static void
print_sentences(json_t *list, const char *reason)
{
    size_t       i;
    json_t      *clash;
    const char  *sentence;

    json_array_foreach(list, i, clash) {
        sentence = print_text(clash, "sentence");

        if (strstr(reason, sentence) == NULL) {
            printf("  %s\n", sentence);
        }
    }
}


static void
print_begun(json_t *result, const char *done, const char *later)
{
    const char  *plugin, *waits;

    plugin = print_text(result, "plugin");
    waits = print_text(result, "waits");

    if (waits[0] == '\0') {
        printf("%s is %s\n", plugin, done);
        return;
    }

    printf("%s will be %s later: %s\n", plugin, later, waits);
}


void
print_restart(json_t *result)
{
    print_begun(result, "ready again", "restarted");
}


void
print_start(json_t *result)
{
    print_begun(result, "ready", "started");
}


static void
print_record(json_t *record)
{
    const char  *seat, *text;

    seat = print_text(record, "seat");
    text = print_text(record, "text");

    if (text[0] == '\0') {
        text = print_text(record, "note");
    }

    printf("%s  %-7s %-3s %s -> %s", print_text(record, "time"),
           print_text(record, "subject"), seat, print_text(record, "from"),
           print_text(record, "to"));

    if (strcmp(print_text(record, "cause"), "none") != 0) {
        printf(" (%s)", print_text(record, "cause"));
    }

    printf("%s%s\n", text[0] != '\0' ? ": " : "", text);
}


void
print_halt(json_t *result)
{
    const char  *plugin, *waits;

    plugin = print_text(result, "plugin");
    waits = print_text(result, "waits");

    if (waits[0] == '\0') {
        printf("%s is stopped; \"mintctl start %s\" starts it\n", plugin,
               plugin);
        return;
    }

    printf("%s takes no new work and is stopped once it has finished what it "
           "has: %s\n", plugin, waits);
}


void
print_uninstall(json_t *result)
{
    bool         is_purged;
    const char  *plugin, *waits;

    plugin = print_text(result, "plugin");
    waits = print_text(result, "waits");
    is_purged = strcmp(print_text(result, "mode"), "purge") == 0;

    if (waits[0] != '\0') {
        printf("%s takes no new work and is uninstalled once it has finished "
               "what it has: %s; \"mintctl start %s\" keeps it\n", plugin,
               waits, plugin);

    } else if (is_purged) {
        printf("%s is uninstalled, and its data are removed\n", plugin);

    } else if (json_is_true(json_object_get(result, "unchanged"))) {
        printf("%s is not installed any more; its data are kept\n", plugin);

    } else {
        printf("%s is uninstalled; its data are kept\n", plugin);
    }
}


void
print_upgrade(json_t *result)
{
    printf("supervisor %s runs, pid %lld\n", print_text(result, "version"),
           (long long) json_integer_value(json_object_get(result,
                                                  "supervisor_pid")));
}


void
print_reload(json_t *result)
{
    size_t   i;
    json_t  *row;

    printf("the configuration has been read again\n");

    json_array_foreach(json_object_get(result, "restart"), i, row) {
        printf("%s has changed: stop and start MINT for it to take effect\n",
               json_string_value(row));
    }

    json_array_foreach(json_object_get(result, "plugins"), i, row) {
        if (json_is_string(json_object_get(row, "error"))) {
            printf("%s stays as it is: %s\n", print_text(row, "plugin"),
                   print_text(row, "error"));

        } else {
            printf("%s is %s\n", print_text(row, "plugin"),
                   print_text(row, "reason"));
        }
    }
}


void
print_history(json_t *result)
{
    size_t   i;
    json_t  *record;

    json_array_foreach(json_object_get(result, "records"), i, record) {
        print_record(record);
    }
}


/* the newest version has failed and the one before goes on: one line, and who
   shows all of it; a message may have several lines */

static void
print_resisting(const char *name, json_t *move)
{
    const char  *error, *serves, *refused;

    error = print_text(move, "error");
    serves = print_text(move, "serves");
    refused = print_text(move, "refused");

    printf("%s: ", name);

    if (serves[0] == '\0' || strcmp(serves, refused) == 0) {
        printf("the process from before serves, the next one");

    } else {
        printf("version %s serves, version %s", serves, refused);
    }

    printf(" was refused %s: %.*s", print_text(move, "since"),
           (int) strcspn(error, "\n"), error);

    if (print_text(move, "traceback")[0] != '\0') {
        printf("; \"mintctl explain %s\" shows the traceback", name);
    }

    putchar('\n');
}


/* what is under way between two processes */

static void
print_move(json_t *plugin)
{
    json_t      *move;
    const char  *error;

    move = json_object_get(plugin, "move");
    error = print_text(move, "error");
    putchar('\n');

    /* the process from before may have been lost, too */

    if (strcmp(print_text(plugin, "state"), "failed") == 0) {
        printf("%s: %s\n", print_text(plugin, "name"),
               print_text(plugin, "error"));
        return;
    }

    if (strcmp(print_text(move, "state"), "resisting") == 0) {
        print_resisting(print_text(plugin, "name"), move);
        return;
    }

    printf("%s: %s, %s since %s%s%s\n", print_text(plugin, "name"),
           print_text(move, "cause"), print_text(move, "state"),
           print_text(move, "since"), error[0] != '\0' ? ": " : "", error);
}


void
print_restart_all(json_t *result)
{
    (void) result;
    printf("all plugins have been restarted\n");
}


void
print_install(json_t *result)
{
    const char  *error, *replaced;

    error = print_text(result, "error");
    replaced = print_text(result, "replaced");
    printf("%s %s is installed", print_text(result, "name"),
           print_text(result, "version"));

    if (json_is_true(json_object_get(result, "unchanged"))) {
        printf(" already");
    }

    if (replaced[0] != '\0') {
        printf(" (was %s)", replaced);
    }

    putchar('\n');
    print_reason(result);

    if (error[0] != '\0') {
        printf("it does not run: %s\n", error);
    }
}


void
print_nothing(json_t *result)
{
    (void) result;
}


const char *
print_text(json_t *object, const char *name)
{
    const char  *text;

    text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "";
}


static void
print_row(const char *label, const char *format, ...)
{
    va_list  args;

    printf("  %-9s ", label);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}


static void
print_process(const char *label, json_t *process)
{
    json_t      *managed;
    const char  *error;

    managed = json_object_get(process, "managed");
    if (json_is_false(managed)) {
        print_row(label, "not managed by this system");
        return;
    }

    error = print_text(process, "error");
    print_row(label, "%s, pid %lld%s%s", print_text(process, "state"),
              (long long) json_integer_value(json_object_get(process,
                                                             "pid")),
              error[0] != '\0' ? ": " : "", error);
}


/* "isolated because ...": a reason that begins with the mode says it itself */

static void
print_reason(json_t *result)
{
    size_t       len;
    const char  *mode, *reason;

    mode = print_text(result, "mode");
    reason = print_text(result, "reason");
    len = strlen(mode);

    if (strncmp(reason, mode, len) == 0 && reason[len] == ' ') {
        printf("%s\n", reason);
        return;
    }

    printf("%s: %s\n", mode, reason);
}


/* characters, not bytes */

static size_t
print_width(const char *text)
{
    size_t  width;

    width = 0;

    for ( /* void */ ; *text != '\0'; text++) {
        width += ((unsigned char) *text & 0xc0) != 0x80;
    }

    return width;
}


static void
print_table(const char *const *cells, size_t rows)
{
    size_t       i, k, width[PRINT_COLUMNS];
    const char  *cell;

    memset(width, 0, sizeof(width));

    for (i = 0; i < rows * PRINT_COLUMNS; i++) {
        if (print_width(cells[i]) > width[i % PRINT_COLUMNS]) {
            width[i % PRINT_COLUMNS] = print_width(cells[i]);
        }
    }

    for (i = 0; i < rows; i++) {
        for (k = 0; k < PRINT_COLUMNS; k++) {
            cell = cells[i * PRINT_COLUMNS + k];
            printf("%s%*s", cell, k == PRINT_COLUMNS - 1
                   ? 0 : (int) (width[k] - print_width(cell) + 2), "");
        }
        putchar('\n');
    }
}


static const char *
print_pid(json_t *plugin, char *text, size_t size)
{
    json_int_t  pid;

    pid = json_integer_value(json_object_get(json_array_get(
              json_object_get(plugin, "instances"), 0), "pid"));

    if (pid == 0) {
        return "-";
    }

    snprintf(text, size, "%lld", (long long) pid);

    return text;
}
