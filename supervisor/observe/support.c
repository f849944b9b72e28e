/* SPDX-License-Identifier: MIT */
/*
 * Gathers the parts of a support bundle; each goes through the redactor.
 */

#include "support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "child_program.h"
#include "contract/mint_version.h"
#include "crash_store.h"
#include "lib/fs.h"
#include "log_reader.h"
#include "secrets.h"
#include "support_archive.h"
#include "supervisor/routes/run_json.h"


#define SUPPORT_FILE_MAX        (1024 * 1024)
#define SUPPORT_HISTORY_MAX     (8 * 1024 * 1024)
#define SUPPORT_HISTORY_LINES   100


struct support {
    const struct support_parts  *parts;
    struct redactor             *redactor;
    struct support_archive      *archive;
    json_t                      *contents;
    struct error                *err;
};

typedef int (*support_part_fn)(struct support *support);

/* name: without the suffix */
typedef int (*support_file_fn)(struct support *support, const char *name,
    const char *path);

static int support_answers(struct support *support);
static int support_config(struct support *support);
static int support_run_files(struct support *support);
static int support_crashes(struct support *support);
static int support_histories(struct support *support);
static int support_logs(struct support *support);
static int support_requests(struct support *support);
static int support_machine(struct support *support);
static int support_about(struct support *support);


static const support_part_fn  support_list[] = {
    support_answers, support_config, support_run_files, support_crashes,
    support_histories, support_logs, support_requests, support_machine,
    support_about
};


static const char *
support_fact(const struct support *support, const char *name)
{
    const char  *text;

    text = json_string_value(json_object_get(support->parts->facts, name));

    return text != NULL ? text : "";
}


static int
support_add(struct support *support, const char *name, const char *what,
    const char *data, size_t len)
{
    json_array_append_new(support->contents, json_pack("{s:s, s:s}", "name",
                              name, "what", what));

    return support_archive_add(support->archive, name, data, len,
                               support->err);
}


static int
support_add_json(struct support *support, const char *name, const char *what,
    json_t *value)
{
    int      rc;
    char    *text;
    json_t  *clean;

    if (value == NULL) {
        return 0;
    }

    clean = redactor_json(support->redactor, value);
    text = json_dumps(clean, JSON_INDENT(2));
    json_decref(clean);
    rc = support_add(support, name, what, text != NULL ? text : "",
                     text != NULL ? strlen(text) : 0);
    free(text);

    return rc;
}


/* ---- parts ------------------------------------------------------------- */

static int
support_answers(struct support *support)
{
    int                          rc;
    const struct support_parts  *parts;

    parts = support->parts;
    rc = support_add_json(support, "status.json", "mintctl status",
                          parts->status);

    if (rc == 0) {
        rc = support_add_json(support, "plugins.json", "mintctl plugins",
                              parts->plugins);
    }

    if (rc == 0) {
        rc = support_add_json(support, "doctor.json", "mintctl doctor",
                              parts->findings);
    }

    if (rc == 0) {
        rc = support_add_json(support, "facts.json", "directories, users, "
                              "times, output of each process", parts->facts);
    }

    return rc;
}


static int
support_config(struct support *support)
{
    int            rc;
    json_t        *config;
    struct strbuf  text = { 0 };

    if (fs_read(support_fact(support, "config_path"), SUPPORT_FILE_MAX, &text,
                NULL)
        != 0)
    {
        return 0;
    }

    config = json_loadb(strbuf_text(&text), text.len, 0, NULL);
    rc = support_add_json(support, "config.json", "the configuration file",
                          config);
    json_decref(config);
    explicit_bzero(text.data, text.len);
    strbuf_free(&text);

    return rc;
}


/* who the users are is nobody's business */

static int
support_run_files(struct support *support)
{
    int      rc;
    size_t   users, pins;
    json_t  *dump;

    if (support->parts->status == NULL) {
        return 0;
    }

    dump = run_json_dump(support_fact(support, "run_directory"), false);
    users = json_array_size(json_object_get(dump, "users"));
    pins = json_array_size(json_object_get(dump, "pins"));
    json_object_set_new(dump, "users", json_integer((json_int_t) users));
    json_object_set_new(dump, "pins", json_integer((json_int_t) pins));

    rc = support_add_json(support, "run.json", "mintctl table dump, users "
                          "and pins as numbers", dump);
    json_decref(dump);

    return rc;
}


static int
support_crashes(struct support *support)
{
    int      rc;
    char    *directory, *name;
    size_t   i;
    json_t  *list, *report;

    directory = crash_directory(support->parts->data_directory);
    list = crash_list(directory, NULL);
    free(directory);
    rc = 0;

    json_array_foreach(list, i, report) {
        name = mem_printf("crashes/%s-%lld.json",
                   json_string_value(json_object_get(report, "plugin")),
                   (long long) json_integer_value(json_object_get(report,
                                                                  "number")));
        rc = support_add_json(support, name, "mintctl crashes", report);
        free(name);

        if (rc != 0) {
            break;
        }
    }

    json_decref(list);

    return rc;
}


/* the files of a directory with that suffix, until fn fails */

static int
support_each(struct support *support, const char *path, const char *suffix,
    support_file_fn fn)
{
    DIR            *directory;
    int             rc;
    char           *name, *file;
    size_t          len, end;
    struct dirent  *entry;

    directory = opendir(path);
    end = strlen(suffix);
    rc = 0;

    while (directory != NULL && rc == 0
           && (entry = readdir(directory)) != NULL)
    {
        len = strlen(entry->d_name);

        if (len <= end || strcmp(entry->d_name + len - end, suffix) != 0) {
            continue;
        }

        name = mem_printf("%.*s", (int) (len - end), entry->d_name);
        file = mem_printf("%s/%s", path, entry->d_name);
        rc = fn(support, name, file);
        free(name);
        free(file);
    }

    if (directory != NULL) {
        closedir(directory);
    }

    return rc;
}


/* lines of JSON; half a line, of a supervisor that was killed, is left out */

static int
support_history(struct support *support, const char *name, const char *path)
{
    int            rc;
    char          *line, *rest, *file;
    json_t        *records, *record;
    struct strbuf  text = { 0 };

    if (fs_read(path, SUPPORT_HISTORY_MAX, &text, NULL) != 0) {
        return 0;
    }

    records = json_array();
    rest = text.data;

    while (rest != NULL && (line = strsep(&rest, "\n")) != NULL) {
        record = json_loads(line, 0, NULL);

        if (record != NULL) {
            json_array_append_new(records, record);
        }

        if (json_array_size(records) > SUPPORT_HISTORY_LINES) {
            json_array_remove(records, 0);
        }
    }

    file = mem_printf("history/%s.json", name);
    rc = support_add_json(support, file, "mintctl history", records);
    free(file);
    json_decref(records);
    strbuf_free(&text);

    return rc;
}


static int
support_histories(struct support *support)
{
    int    rc;
    char  *path;

    path = mem_printf("%s/history", support->parts->data_directory);
    rc = support_each(support, path, ".jsonl", support_history);
    free(path);

    return rc;
}


/* the last lines of one log, each without secrets */

static int
support_log(struct support *support, const char *name, const char *file,
    const char *what)
{
    int                  rc;
    char                *text;
    size_t               i;
    json_t              *line, *clean;
    struct strbuf        raw = { 0 }, out = { 0 };
    struct log_filter    filter;
    struct log_reader   *reader;
    struct log_entries   entries;

    memset(&filter, 0, sizeof(filter));
    memset(&entries, 0, sizeof(entries));
    filter.plugin = name;
    reader = log_reader_new(support_fact(support, "log_directory"),
                            support->parts->access_log, &filter);
    log_reader_last(reader, SUPPORT_LOG_LINES, 0, &entries);
    redactor_begin(support->redactor);

    for (i = 0; i < entries.count; i++) {
        strbuf_clear(&raw);
        log_line_write(&entries.item[i].line, name, &raw);
        line = json_loadb(raw.data, raw.len, 0, NULL);
        clean = redactor_json_go_on(support->redactor, line);
        text = json_dumps(clean, JSON_COMPACT);
        strbuf_puts(&out, text != NULL ? text : "");
        strbuf_puts(&out, "\n");
        free(text);
        json_decref(clean);
        json_decref(line);
    }

    rc = entries.count == 0 ? 0 : support_add(support, file, what, out.data,
                                              out.len);
    log_entries_clear(&entries);
    log_reader_free(&reader);
    strbuf_free(&raw);
    strbuf_free(&out);

    return rc;
}


static int
support_one_log(struct support *support, const char *name, const char *path)
{
    int    rc;
    char  *file;

    (void) path;

    file = mem_printf("logs/%s.log", name);
    rc = support_log(support, name, file, "its last 2000 lines");
    free(file);

    return rc;
}


static int
support_logs(struct support *support)
{
    return support_each(support, support_fact(support, "log_directory"),
                        ".log", support_one_log);
}


static int
support_requests(struct support *support)
{
    return support_log(support, "edge", "logs/edge-requests.log",
                       "the last 2000 requests");
}


static void
support_file(struct strbuf *out, const char *path)
{
    struct strbuf  text = { 0 };

    if (fs_read(path, 65536, &text, NULL) == 0) {
        strbuf_printf(out, "\n== %s\n%s\n", path, strbuf_text(&text));
    }

    strbuf_free(&text);
}


static void
support_program(struct strbuf *out, const char *const *argv)
{
    struct error   err;
    struct strbuf  text = { 0 };

    if (child_program_run(argv, 10, &text, &err) < 0) {
        strbuf_printf(out, "\n== %s: %s\n", argv[0], err.text);

    } else {
        strbuf_printf(out, "\n== %s %s\n%s\n", argv[0],
                      argv[1] != NULL ? argv[1] : "", strbuf_text(&text));
    }

    strbuf_free(&text);
}


static int
support_machine(struct support *support)
{
    int             rc;
    size_t          i;
    struct strbuf   text = { 0 }, clean = { 0 };
    const char     *nginx[3] = { NULL, "-V", NULL };
    const char     *disk[3] = { "df", "-h", NULL };
    struct utsname  uts;

    static const char *const  files[] = {
        "/etc/os-release", "/proc/meminfo", "/proc/loadavg",
        "/proc/pressure/memory", "/proc/pressure/io",
        "/proc/sys/net/core/somaxconn", "/proc/self/limits"
    };

    if (uname(&uts) == 0) {
        strbuf_printf(&text, "%s %s %s, %ld processors\n", uts.sysname,
                      uts.release, uts.machine,
                      sysconf(_SC_NPROCESSORS_ONLN));
    }

    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        support_file(&text, files[i]);
    }

    nginx[0] = json_string_value(json_object_get(json_object_get(
                   support->parts->facts, "nginx"), "binary"));

    if (nginx[0] != NULL && nginx[0][0] != '\0') {
        support_program(&text, nginx);
    }

    support_program(&text, disk);

    redactor_begin(support->redactor);
    redactor_text(support->redactor, strbuf_text(&text), &clean);
    rc = support_add(support, "machine.txt", "kernel, memory, disk, nginx -V",
                     strbuf_text(&clean), clean.len);
    strbuf_free(&text);
    strbuf_free(&clean);

    return rc;
}


static int
support_about(struct support *support)
{
    int             rc;
    char            time_text[32];
    size_t          i;
    json_t         *file;
    struct strbuf   text = { 0 };

    time_rfc3339(time_unix_ms(), time_text);
    strbuf_printf(&text, "Support bundle of ngx-mint " MINT_VERSION ", %s\n\n"
                  "Secrets are left out: known ones, and what looks like "
                  "one.  What plugins print and\nthe paths of requests are "
                  "in it, and may name people or samples: look through it\n"
                  "before you pass it on.\n\n", time_text);

    json_array_foreach(support->contents, i, file) {
        strbuf_printf(&text, "%-32s %s\n",
                      json_string_value(json_object_get(file, "name")),
                      json_string_value(json_object_get(file, "what")));
    }

    rc = support_add(support, "about.txt", "this list", text.data, text.len);
    strbuf_free(&text);

    return rc;
}


/* ---- all of it ---------------------------------------------------------- */

/* "mint-support-x" of "/a/mint-support-x.tar.gz" */

static char *
support_folder(const char *path)
{
    char        *folder;
    const char  *slash;

    slash = strrchr(path, '/');
    folder = mem_strdup(slash != NULL ? slash + 1 : path);
    folder[strcspn(folder, ".")] = '\0';

    if (folder[0] == '\0') {
        free(folder);
        folder = mem_strdup("mint-support");
    }

    return folder;
}


int
support_make(const char *path, const struct support_parts *parts,
    json_t **contents, struct error *err)
{
    int             rc;
    char           *folder;
    size_t          i;
    struct support  support;

    *contents = NULL;
    memset(&support, 0, sizeof(support));
    support.parts = parts;
    support.err = err;

    folder = support_folder(path);
    rc = support_archive_open(&support.archive, path, folder, err);
    free(folder);

    if (rc != 0) {
        return rc;
    }

    support.contents = json_array();
    support.redactor = secrets_redactor(NULL, NULL);
    secrets_add_files(support.redactor, support_fact(&support, "config_path"),
                      parts->data_directory);
    secrets_add_process(support.redactor, (long) json_integer_value(
                            json_object_get(parts->status,
                                            "supervisor_pid")));

    for (i = 0; i < sizeof(support_list) / sizeof(support_list[0])
                && rc == 0; i++)
    {
        rc = support_list[i](&support);
    }

    if (rc == 0) {
        rc = support_archive_close(&support.archive, err);
    }

    support_archive_drop(&support.archive);
    redactor_free(&support.redactor);

    if (rc != 0) {
        json_decref(support.contents);
        return rc;
    }

    *contents = support.contents;

    return 0;
}
