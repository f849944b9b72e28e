/* SPDX-License-Identifier: MIT */
/*
 * A line of trees to remove, one rm at a time.
 */

#include "supervisor/plugin/cleanup.h"

#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/command.h"


#define CLEANUP_TIMEOUT_SEC  600


struct cleanup {
    const struct runner  *runner;
    struct command_run   *run;
    struct text_list      paths;        /* the first one is under way */
};


static void cleanup_start(struct cleanup *cleanup);
static void cleanup_ended(void *ctx, const struct command_result *result);
static void cleanup_shift(struct cleanup *cleanup);


struct cleanup *
cleanup_new(const struct runner *runner)
{
    struct cleanup  *cleanup;

    cleanup = mem_alloc(sizeof(struct cleanup));
    cleanup->runner = runner;

    return cleanup;
}


void
cleanup_free(struct cleanup **cleanup)
{
    size_t           i;
    struct error     err;
    struct cleanup  *c;

    c = *cleanup;

    if (c == NULL) {
        return;
    }

    command_cancel(&c->run);

    for (i = 0; i < c->paths.count; i++) {
        if (fs_remove_tree(c->paths.item[i], &err) != 0) {
            log_warn("%s", err.text);
        }
    }

    text_list_clear(&c->paths);
    free(c);

    *cleanup = NULL;
}


void
cleanup_remove(struct cleanup *cleanup, const char *path)
{
    text_list_add(&cleanup->paths, path);
    cleanup_start(cleanup);
}


static void
cleanup_start(struct cleanup *cleanup)
{
    struct error     err;
    struct command  *command;

    while (cleanup->run == NULL && cleanup->paths.count > 0) {
        command = command_new("rm", "/bin/rm");
        command->timeout_sec = CLEANUP_TIMEOUT_SEC;
        command_add(command, "-rf");
        command_add(command, "--");
        command_add(command, cleanup->paths.item[0]);

        if (command_start(&cleanup->run, cleanup->runner, &command, NULL,
                          cleanup_ended, cleanup, &err) != 0)
        {
            log_warn("\"%s\" is left behind: %s", cleanup->paths.item[0],
                     err.text);
            cleanup_shift(cleanup);
        }
    }
}


static void
cleanup_ended(void *ctx, const struct command_result *result)
{
    char             line[256];
    struct cleanup  *cleanup = ctx;

    if (result->error.code != 0 || result->exit_code != 0) {
        command_last_line(result->output, line, sizeof(line));
        log_warn("\"%s\" is left behind: %s", cleanup->paths.item[0],
                 result->error.code != 0 ? result->error.text : line);
    }

    cleanup_shift(cleanup);
    cleanup_start(cleanup);
}


static void
cleanup_shift(struct cleanup *cleanup)
{
    free(cleanup->paths.item[0]);
    memmove(cleanup->paths.item, cleanup->paths.item + 1,
            cleanup->paths.count * sizeof(char *));
    cleanup->paths.count--;
}
