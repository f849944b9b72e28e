/* SPDX-License-Identifier: MIT */
/*
 * Data belong to the plugin's user: the keeper hands them to ours, with all
 * that is in them, and they are removed as our own.
 */

#include "purger.h"

#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/command.h"


#define PURGER_LOGS         11          /* a log and those it was rotated to */
#define PURGER_TIMEOUT_SEC  600


struct purger {
    const struct config   *config;
    const struct layout   *layout;
    struct registry       *registry;
    struct process_table  *table;
    const struct runner   *runner;
    struct command_run    *run;
    char                  *name;        /* under way, NULL: none */
    char                  *data;        /* its directory */
    size_t                 next;        /* of this round */
    bool                   is_again;    /* another round is wanted */
    purger_done_fn         fn;
    void                  *ctx;
};


static void purger_next(struct purger *purger);
static void purger_owned(void *ctx, int status);
static int purger_open(struct purger *purger, struct error *err);
static void purger_opened(void *ctx, const struct command_result *result);
static void purger_removed(void *ctx, const struct command_result *result);
static void purger_end(struct purger *purger, const struct error *err);


struct purger *
purger_new(const struct config *config, const struct layout *layout,
    struct registry *registry, struct process_table *table,
    const struct runner *runner)
{
    struct purger  *purger;

    purger = mem_alloc(sizeof(struct purger));
    purger->config = config;
    purger->layout = layout;
    purger->registry = registry;
    purger->table = table;
    purger->runner = runner;

    return purger;
}


void
purger_free(struct purger **purger)
{
    if (*purger == NULL) {
        return;
    }

    command_cancel(&(*purger)->run);
    free((*purger)->name);
    free((*purger)->data);
    free(*purger);
    *purger = NULL;
}


void
purger_subscribe(struct purger *purger, purger_done_fn fn, void *ctx)
{
    purger->fn = fn;
    purger->ctx = ctx;
}


void
purger_look(struct purger *purger)
{
    if (purger->name != NULL) {
        purger->is_again = true;
        return;
    }

    purger->next = 0;
    purger_next(purger);
}


static void
purger_next(struct purger *purger)
{
    int                     rc;
    struct error            err;
    const struct departed  *departed;

    departed = registry_to_purge(purger->registry, purger->next);

    if (departed == NULL) {
        return;
    }

    purger->name = mem_strdup(departed->name);
    purger->data = layout_data(purger->layout, departed->name);
    log_info("removing the data of \"%s\"", purger->name);

    rc = fs_exists(purger->data)
         ? keeper_client_own(process_table_keeper(purger->table),
                             purger->data, 0700, purger->layout->own_uid,
                             purger->layout->own_gid, purger_owned, purger,
                             &err)
         : purger_open(purger, &err);

    if (rc != 0) {
        purger_end(purger, &err);
    }
}


static void
purger_owned(void *ctx, int status)
{
    int             rc;
    struct error    err;
    struct purger  *purger;

    purger = ctx;

    rc = status == 0 ? purger_open(purger, &err)
         : error_set(&err, MINT_ERR_SYSTEM, "its data cannot be taken over: "
                     "%s; remove \"%s\" by hand", strerror(status),
                     purger->data);

    if (rc != 0) {
        purger_end(purger, &err);
    }
}


/* directories that even their owner may not enter */

static int
purger_open(struct purger *purger, struct error *err)
{
    struct command  *command;

    command = command_new("chmod", "/bin/chmod");
    command->timeout_sec = PURGER_TIMEOUT_SEC;
    command_add(command, "-Rf");
    command_add(command, "u+rwX");
    command_add(command, "--");
    command_add(command, purger->data);

    return command_start(&purger->run, purger->runner, &command, NULL,
                         purger_opened, purger, err);
}


/* what is in the way is told by the removal */

static void
purger_opened(void *ctx, const struct command_result *result)
{
    size_t           i;
    struct error     err;
    struct purger   *purger;
    struct command  *command;

    (void) result;
    purger = ctx;

    command = command_new("rm", "/bin/rm");
    command->timeout_sec = PURGER_TIMEOUT_SEC;
    command_add(command, "-rf");
    command_add(command, "--");
    command_add(command, purger->data);
    text_list_printf(&command->argv, "%s/%s.jsonl",
                     purger->layout->history_directory, purger->name);
    text_list_printf(&command->argv, "%s/crashes/%s",
                     purger->config->server.data_path, purger->name);

    for (i = 0; i < PURGER_LOGS; i++) {
        text_list_printf(&command->argv, i > 0 ? "%s/%s.log.%zu" : "%s/%s.log",
                         purger->layout->log_directory, purger->name, i);
    }

    if (command_start(&purger->run, purger->runner, &command, NULL,
                      purger_removed, purger, &err)
        != 0)
    {
        purger_end(purger, &err);
    }
}


static void
purger_removed(void *ctx, const struct command_result *result)
{
    char            line[256];
    struct error    err;
    struct purger  *purger;

    purger = ctx;
    memset(&err, 0, sizeof(err));

    if (result->error.code != 0) {
        err = result->error;

    } else if (result->exit_code != 0) {
        command_last_line(result->output, line, sizeof(line));
        error_set(&err, MINT_ERR_SYSTEM, "%s", line);

    } else {
        registry_purged(purger->registry, purger->name, &err);
    }

    purger_end(purger, &err);
}


static void
purger_end(struct purger *purger, const struct error *err)
{
    char          *name;
    struct error   why;

    why = *err;
    name = purger->name;
    purger->name = NULL;
    free(purger->data);
    purger->data = NULL;

    if (why.code != 0) {
        error_prefix(&why, "what plugin \"%s\" has left is not removed",
                     name);
        log_error("%s", why.text);
        purger->next++;
    }

    if (purger->fn != NULL) {
        purger->fn(purger->ctx, name, &why);
    }

    free(name);

    if (purger->is_again) {
        purger->is_again = false;
        purger->next = 0;
    }

    if (purger->name == NULL) {
        purger_next(purger);
    }
}
