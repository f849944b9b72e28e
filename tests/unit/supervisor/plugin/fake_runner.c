/* SPDX-License-Identifier: MIT */
/*
 * See fake_runner.h.
 */

#include "fake_runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"
#include "lib/fs.h"
#include "lib/strbuf.h"


struct runner_job {
    struct fake         *fake;
    struct event        *event;
    struct text_list     argv;
    char                *line;
    runner_line_fn       on_line;
    runner_done_fn       done;
    void                *ctx;
};


static void fake_run(evutil_socket_t fd, short events, void *ctx);


static char *
fake_line(const struct runner_request *request)
{
    char           *line;
    size_t          i;
    struct strbuf   text;

    memset(&text, 0, sizeof(text));
    strbuf_printf(&text, "%s:", request->label);

    for (i = 0; request->argv[i] != NULL; i++) {
        strbuf_printf(&text, " %s", request->argv[i]);
    }

    strbuf_printf(&text, " uid=%u", request->uid);
    line = mem_strdup(strbuf_text(&text));
    strbuf_free(&text);

    return line;
}


static struct fake_rule *
fake_rule(struct fake *fake, const char *line)
{
    size_t  i;

    for (i = 0; i < FAKE_RULES; i++) {
        if (fake->rules[i].match != NULL
            && strstr(line, fake->rules[i].match) != NULL)
        {
            return &fake->rules[i];
        }
    }

    return NULL;
}


/* once packages are in an environment only confined commands run what is
   there: its interpreter begins with their .pth files */

static void
fake_check_confined(const struct runner_request *request)
{
    size_t       i, len;
    const char  *argument;

    static const char  python[] = "/bin/python";

    if (request->environment != NULL
        || strcmp(request->label, "uv pip sync") == 0)
    {
        return;
    }

    for (i = 0; request->argv[i] != NULL; i++) {
        argument = request->argv[i];
        len = strlen(argument);
        ck_assert_msg(len < strlen(python)
                      || strcmp(argument + len - strlen(python), python) != 0,
                      "%s runs \"%s\" unconfined", request->label, argument);
    }
}


static struct runner_job *
fake_start(void *ctx, const struct runner_request *request,
    runner_line_fn on_line, runner_done_fn done, void *done_ctx,
    struct error *err)
{
    size_t              i;
    struct fake        *fake = ctx;
    struct timeval      now = { 0, 0 };
    struct fake_rule   *rule;
    struct runner_job  *job;

    ck_assert_int_eq(request->argv[0][0], '/');
    ck_assert_int_eq(request->cwd[0], '/');
    ck_assert_uint_gt(request->timeout_sec, 0);
    fake_check_confined(request);

    job = mem_alloc(sizeof(struct runner_job));
    job->fake = fake;
    job->line = fake_line(request);
    job->on_line = on_line;
    job->done = done;
    job->ctx = done_ctx;

    for (i = 0; request->argv[i] != NULL; i++) {
        text_list_add(&job->argv, request->argv[i]);
    }

    text_list_add(&fake->calls, job->line);
    rule = fake_rule(fake, job->line);

    if (rule != NULL && rule->refuse) {
        error_set(err, MINT_ERR_UNAVAILABLE, "no runner");
        text_list_clear(&job->argv);
        free(job->line);
        free(job);
        return NULL;
    }

    text_list_clear(&fake->variables);

    for (i = 0; request->env[i] != NULL; i++) {
        text_list_add(&fake->variables, request->env[i]);
    }

    job->event = evtimer_new(fake->base, fake_run, job);
    evtimer_add(job->event, &now);

    if (fake->call_at != NULL && strstr(job->line, fake->call_at) != NULL) {
        fake->called();
    }

    if (fake->calls.count == fake->break_at) {
        event_base_loopbreak(fake->base);
    }

    return job;
}


static void
fake_cancel(void *ctx, struct runner_job *job)
{
    (void) ctx;

    event_free(job->event);
    text_list_clear(&job->argv);
    free(job->line);
    free(job);
}


/* an environment as far as anybody looks into it */

static void
fake_venv(const char *directory)
{
    char  *path;

    path = mem_printf("%s/bin", directory);
    ck_assert_int_eq(fs_mkdir_all(path, 0755, NULL), 0);
    free(path);

    path = mem_printf("%s/bin/python", directory);
    ck_assert_int_eq(symlink("/bin/true", path), 0);
    free(path);

    path = mem_printf("%s/lib/python3/site-packages", directory);
    ck_assert_int_eq(fs_mkdir_all(path, 0755, NULL), 0);
    free(path);

    path = mem_printf("%s/lib/python3/site-packages/plugin.py", directory);
    fixture_write(path, "");
    free(path);
}


static void
fake_compile(struct fake *fake, struct runner_job *job)
{
    size_t       i;
    const char  *output, *name, *text;

    output = "";

    for (i = 0; i + 1 < job->argv.count; i++) {
        if (strcmp(job->argv.item[i], "--output-file") == 0) {
            output = job->argv.item[i + 1];
        }
    }

    name = strrchr(output, '/') + 1;
    text = strcmp(name, "core.lock") == 0 ? fake->core
           : strcmp(name, "unforced.lock") == 0 ? fake->core
           : strcmp(name, "shared.lock") == 0 ? fake->shared
           : strcmp(name, "pinned.lock") == 0 ? fake->shared
           : strcmp(name, "isolated.lock") == 0 ? fake->isolated
           : strcmp(name, "pylock.toml") == 0 ? fake->pylock
           : fake->platform;
    ck_assert_ptr_nonnull(text);
    fixture_write(output, text);
}


static char *
fake_report(struct fake *fake, struct runner_job *job)
{
    const char  *python;

    if (fake->report != NULL) {
        return mem_strdup(fake->report);
    }

    python = job->argv.item[0];

    return mem_printf("{\"event\": \"probed\", \"name\": \"x\", "
                      "\"routes_prefix\": \"%s\", \"plugin_type\": "
                      "\"analysis\", \"capabilities\": {}, \"metadata\": {}, "
                      "\"frontend_dir\": null, \"module_file\": \"%.*s/lib/"
                      "python3/site-packages/plugin.py\"}\n", fake->prefix,
                      (int) (strlen(python) - strlen("/bin/python")), python);
}


static void
fake_say(struct runner_job *job, const char *output)
{
    char  *copy, *rest, *line;

    copy = mem_strdup(output);
    rest = copy;

    while (job->on_line != NULL && (line = strsep(&rest, "\n")) != NULL) {
        job->on_line(job->ctx, line);
    }

    free(copy);
}


static void
fake_run(evutil_socket_t fd, short events, void *ctx)
{
    char                  *report;
    struct fake           *fake;
    struct fake_rule      *rule;
    struct runner_job     *job = ctx;
    struct runner_result   result;

    (void) fd;
    (void) events;

    fake = job->fake;
    report = NULL;
    rule = fake_rule(fake, job->line);
    memset(&result, 0, sizeof(result));
    result.output = "";
    result.report = "";

    if (rule != NULL) {
        result.wait_status = rule->wait_status;
        result.output = rule->output != NULL ? rule->output : "";
        result.timed_out = rule->timed_out;
        rule->match = rule == fake->once ? NULL : rule->match;

    } else if (strncmp(job->line, "uv pip compile", 14) == 0) {
        fake_compile(fake, job);

    } else if (strncmp(job->line, "interpreter:", 12) == 0) {
        result.output = "cpython 3.12.3 linux-x86_64 cpython-312\n";

    } else if (strncmp(job->line, "uv --version:", 13) == 0) {
        result.output = fake->uv;

    } else if (strncmp(job->line, "uv venv:", 8) == 0) {
        fake_venv(job->argv.item[job->argv.count - 1]);

    } else if (strncmp(job->line, "inventory:", 10) == 0) {
        fixture_write(job->argv.item[job->argv.count - 1], fake->inventory);

    } else if (strncmp(job->line, "compare:", 8) == 0) {
        result.output = "{\"verified\": 1, \"of\": 2}\n{\"problems\": []}\n";

    } else if (strncmp(job->line, "rm:", 3) == 0) {
        fs_remove_tree(job->argv.item[job->argv.count - 1], NULL);

    } else if (strncmp(job->line, "probe:", 6) == 0) {
        report = fake_report(fake, job);
        result.report = report;
    }

    fake_say(job, result.output);
    job->done(job->ctx, &result);
    free(report);
    fake_cancel(NULL, job);
}


void
fake_init(struct fake *fake, struct runner *runner, struct event_base *base)
{
    memset(fake, 0, sizeof(struct fake));
    fake->base = base;
    fake->prefix = "/x";
    fake->uv = "uv 0.9.7\n";

    fake->core = "mint-sdk==1.2.10 \\\n    --hash=sha256:00\n    # via -r x\n"
                 "fastapi==0.165.0 \\\n    --hash=sha256:01\n"
                 "    # via mint-sdk\n";
    fake->inventory = "{\"interpreter\":" FAKE_INTERPRETER ",\"packages\":["
                      FAKE_CORE "]}";

    runner->ctx = fake;
    runner->start = fake_start;
    runner->cancel = fake_cancel;
}


void
fake_clear(struct fake *fake)
{
    text_list_clear(&fake->calls);
    text_list_clear(&fake->variables);
}


unsigned
fake_called(const struct fake *fake, const char *text)
{
    size_t    i;
    unsigned  count;

    count = 0;

    for (i = 0; i < fake->calls.count; i++) {
        count += strstr(fake->calls.item[i], text) != NULL;
    }

    return count;
}
