/* SPDX-License-Identifier: MIT */
/*
 * "mintctl verify-env" and "mintctl disk": environments as they are on disk.
 * Read here and by a program of its own: the supervisor is only asked where
 * they are.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control_private.h"
#include "lib/fs.h"
#include "lib/strbuf.h"
#include "print.h"
#include "supervisor/observe/child_program.h"
#include "supervisor/plugin/environment.h"
#include "supervisor/plugin/text_list.h"


#define ENVIRONMENT_PLATFORM    "platform"
#define ENVIRONMENT_ANSWER_SEC  10          /* of the supervisor */


/* an environment in use: {"name", "path", "plugins": [names]} */

static json_t *
environment_entry(json_t *list, const char *name, const char *path)
{
    size_t   i;
    json_t  *entry;

    json_array_foreach(list, i, entry) {
        if (strcmp(print_text(entry, "path"), path) == 0) {
            return entry;
        }
    }

    entry = json_pack("{s:s, s:s, s:[]}", "name", name, "path", path,
                      "plugins");
    json_array_append_new(list, entry);

    return entry;
}


/* all that the supervisor knows of; *program: where our files are */

static int
environments_in_use(const struct control *control, json_t **list,
    char **program, bool *is_running, struct error *err)
{
    int          rc;
    size_t       i;
    uint64_t     deadline_ms;
    json_t      *facts, *status, *plugins, *plugin, *entry;
    const char  *path;

    facts = NULL;
    status = NULL;
    plugins = NULL;
    deadline_ms = time_boot_ms() + ENVIRONMENT_ANSWER_SEC * 1000;

    rc = control_call(control, "facts", NULL, deadline_ms, true, &facts,
                      is_running, err);

    if (rc == 0) {
        rc = control_call(control, "status", NULL, deadline_ms, true, &status,
                          is_running, err);
    }

    if (rc == 0) {
        rc = control_call(control, "plugins", NULL, deadline_ms, true,
                          &plugins, is_running, err);
    }

    if (rc == 0) {
        *list = json_array();
        *program = mem_strdup(print_text(facts, "program_directory"));
        path = print_text(json_object_get(status, "environment"), "path");

        if (path[0] == '/') {
            environment_entry(*list, ENVIRONMENT_PLATFORM, path);
        }

        json_array_foreach(json_object_get(plugins, "plugins"), i, plugin) {
            entry = environment_entry(*list, print_text(plugin, "name"),
                                      print_text(plugin, "environment"));
            json_array_append_new(json_object_get(entry, "plugins"),
                                  json_string(print_text(plugin, "name")));
        }
    }

    json_decref(facts);
    json_decref(status);
    json_decref(plugins);

    return rc;
}


/* ---- verify-env ----------------------------------------------------- */


/* is it the platform's, or one of this plugin? */

static bool
verify_is_asked(const struct control *control, json_t *entry)
{
    size_t   i;
    json_t  *name;

    if (control->argument == NULL
        || strcmp(print_text(entry, "name"), control->argument) == 0)
    {
        return true;
    }

    json_array_foreach(json_object_get(entry, "plugins"), i, name) {
        if (strcmp(json_string_value(name), control->argument) == 0) {
            return true;
        }
    }

    return false;
}


static void
verify_progress(void *ctx, const char *line)
{
    json_t      *said;
    json_int_t   verified, of;

    said = json_loads(line, 0, NULL);

    if (json_unpack(said, "{s:I, s:I}", "verified", &verified, "of", &of)
        == 0)
    {
        fprintf(stderr, "%s: %lld of %lld files\n", (const char *) ctx,
                (long long) verified, (long long) of);
    }

    json_decref(said);
}


/* the last line of what the program has printed; NULL, with err */

static json_t *
verify_answer(char *output, int status, struct error *err)
{
    char        *last;
    size_t       len;
    json_t      *result;
    const char  *why;

    for (len = strlen(output); len > 0 && output[len - 1] == '\n'; len--) {
        output[len - 1] = '\0';
    }

    last = strrchr(output, '\n');
    last = last != NULL ? last + 1 : output;
    result = json_loads(last, 0, NULL);
    why = json_string_value(json_object_get(result, "error"));

    if (why != NULL || !json_is_array(json_object_get(result, "problems"))) {
        error_set(err, MINT_ERR_INVALID, "it cannot be compared with its "
                  "lock: %.600s (exit status %d)", why != NULL ? why : last,
                  status);
        json_decref(result);
        result = NULL;
    }

    return result;
}


/* by the interpreter that it is made from, without its packages */

static json_t *
verify_run(const struct control *control, json_t *entry, const char *program,
    struct error *err)
{
    int             status;
    char           *script, *output;
    json_t         *marker, *result;
    const char     *path;
    struct strbuf   text;

    path = print_text(entry, "path");
    result = NULL;

    if (environment_read(path, &marker, err) != 0) {
        return NULL;
    }

    memset(&text, 0, sizeof(text));
    script = mem_printf("%s/plugin_host/verify.py", program);

    const char *const  argv[] = {
        print_text(marker, "python"), "-I", "-S", "-B", script, path, NULL
    };

    status = child_program_follow(argv, (unsigned) control->timeout_sec,
                                  &text, verify_progress,
                                  (void *) (uintptr_t)
                                  print_text(entry, "name"), err);
    if (status >= 0) {
        output = mem_strdup(strbuf_text(&text));
        result = verify_answer(output, status, err);
        free(output);
    }

    strbuf_free(&text);
    json_decref(marker);
    free(script);

    return result;
}


/* one that cannot be compared is a problem of its own */

static size_t
verify_one(const struct control *control, json_t *entry, const char *program)
{
    size_t         count;
    json_t        *found;
    struct error   err;

    memset(&err, 0, sizeof(err));

    if (control->argument == NULL && !control->json) {
        fprintf(stderr, "looking at %s\n", print_text(entry, "path"));
    }

    found = verify_run(control, entry, program, &err);

    if (found == NULL) {
        json_object_set_new(entry, "error", json_string(err.text));
        return 1;
    }

    count = json_array_size(json_object_get(found, "problems"))
            + (size_t) json_integer_value(json_object_get(found, "left_off"));
    json_object_update(entry, found);
    json_decref(found);

    return count;
}


static void
verify_print_problems(json_t *entry)
{
    size_t       i;
    json_t      *problem;
    long long    left_off;
    const char  *package, *path;

    json_array_foreach(json_object_get(entry, "problems"), i, problem) {
        package = print_text(problem, "package");
        path = print_text(problem, "path");
        printf("  %-8s %-20s %s%s%s\n", print_text(problem, "kind"),
               package[0] != '\0' ? package : "-", path,
               path[0] != '\0' ? ": " : "", print_text(problem, "text"));
    }

    left_off = json_integer_value(json_object_get(entry, "left_off"));

    if (left_off > 0) {
        printf("  and %lld more\n", left_off);
    }
}


static void
verify_print(json_t *result)
{
    size_t       i;
    json_t      *entry;
    const char  *error;

    json_array_foreach(json_object_get(result, "environments"), i, entry) {
        error = print_text(entry, "error");

        if (error[0] != '\0') {
            printf("%s: %s\n", print_text(entry, "name"), error);
            continue;
        }

        printf("%s: %lld packages, %lld files: %s\n",
               print_text(entry, "name"),
               (long long) json_integer_value(json_object_get(entry,
                                                              "packages")),
               (long long) json_integer_value(json_object_get(entry,
                                                              "files")),
               json_array_size(json_object_get(entry, "problems")) == 0
               ? "as its lock has it" : "not as its lock has it");
        verify_print_problems(entry);
    }

    if (json_integer_value(json_object_get(result, "count")) > 0) {
        printf("\n\"mintctl install BUNDLE --force\" builds the environment "
               "of a plugin anew\n");
    }
}


int
control_verify_env(const struct control *control)
{
    bool           is_running;
    char          *program;
    size_t         i, count;
    json_t        *all, *asked, *entry, *result;
    struct error   err;

    if (environments_in_use(control, &all, &program, &is_running, &err) != 0) {
        return control_failed(control, &err, is_running);
    }

    count = 0;
    asked = json_array();

    json_array_foreach(all, i, entry) {
        if (verify_is_asked(control, entry) && !control_interrupted()) {
            json_array_append(asked, entry);
            count += verify_one(control, entry, program);
        }
    }

    json_decref(all);
    free(program);

    if (control_interrupted()) {
        json_decref(asked);
        return control_failed(control, &err, true);
    }

    if (json_array_size(asked) == 0) {
        json_decref(asked);

        if (control->argument != NULL) {
            error_set(&err, MINT_ERR_NOT_FOUND, "there is no plugin \"%s\"",
                      control->argument);
        } else {
            error_set(&err, MINT_ERR_NOT_FOUND, "there is no environment yet");
        }

        return control_failed(control, &err, true);
    }

    result = json_pack("{s:o, s:I}", "environments", asked, "count",
                       (json_int_t) count);
    control_print(control, result, verify_print);
    json_decref(result);

    return count > 0 ? CONTROL_FAILED : 0;
}


/* ---- disk ----------------------------------------------------------- */


/* what was counted when it was built; nothing of one that an earlier version
   has built */

static void
disk_look(json_t *entry)
{
    json_t      *marker, *disk;
    const char  *path;

    path = print_text(entry, "path");

    if (environment_read(path, &marker, NULL) != 0) {
        return;
    }

    disk = json_object_get(marker, "disk");

    if (json_is_object(disk)) {
        json_object_update(entry, disk);
    }

    json_decref(marker);
}


/* those of versions before: some are kept to go back to, some to be removed */

static void
disk_add_others(json_t *list, const char *platform)
{
    char              *parent, *note;
    size_t             i;
    json_t            *entry;
    struct text_list   all;

    memset(&all, 0, sizeof(all));
    parent = mem_printf("%.*s", (int) (strrchr(platform, '/') - platform),
                        platform);
    environment_list_all(parent, &all);

    for (i = 0; i < all.count; i++) {
        entry = environment_entry(list, "", all.item[i]);
        note = mem_printf("%s/%s", all.item[i], ENVIRONMENT_UNUSED);
        json_object_set_new(entry, "unused", json_boolean(fs_exists(note)));
        free(note);
    }

    text_list_clear(&all);
    free(parent);
}


static void
disk_print_size(json_t *entry, const char *name)
{
    json_t  *value;

    value = json_object_get(entry, name);

    if (value != NULL) {
        printf("%10.1f", (double) json_integer_value(value) / 1e6);

    } else {
        printf("%10s", "-");
    }
}


static void
disk_print(json_t *result)
{
    size_t       i, k;
    json_t      *entry, *name;
    const char  *base;

    printf("%10s%10s  %s\n", "own MB", "linked MB", "environment");

    json_array_foreach(json_object_get(result, "environments"), i, entry) {
        disk_print_size(entry, "own_bytes");
        disk_print_size(entry, "linked_bytes");
        base = strrchr(print_text(entry, "path"), '/');
        printf("  %s", base != NULL ? base + 1 : "");

        json_array_foreach(json_object_get(entry, "plugins"), k, name) {
            printf("%s%s", k == 0 ? ": " : ", ", json_string_value(name));
        }

        printf("%s\n", json_is_true(json_object_get(entry, "unused"))
                       ? ": not used any more" : "");
    }

    disk_print_size(result, "own_bytes");
    printf("%10s  in all; linked files are hard links into uv's cache, there "
           "once\n%22sfor all environments, and stay when one is removed\n",
           "", "");
}


int
control_disk(const struct control *control)
{
    bool           is_running;
    char          *program;
    size_t         i;
    json_t        *list, *entry, *result, *bytes;
    json_int_t     own, sum;
    struct error   err;

    if (environments_in_use(control, &list, &program, &is_running, &err) != 0)
    {
        return control_failed(control, &err, is_running);
    }

    free(program);
    sum = 0;

    if (json_array_size(list) > 0) {
        disk_add_others(list, print_text(json_array_get(list, 0), "path"));
    }

    json_array_foreach(list, i, entry) {
        disk_look(entry);
        bytes = json_object_get(entry, "bytes");

        if (bytes != NULL) {
            own = json_integer_value(bytes)
                  - json_integer_value(json_object_get(entry,
                                                       "linked_bytes"));
            json_object_set_new(entry, "own_bytes", json_integer(own));
            sum += own;
        }
    }

    result = json_pack("{s:o, s:I}", "environments", list, "own_bytes", sum);
    control_print(control, result, disk_print);
    json_decref(result);

    return 0;
}
