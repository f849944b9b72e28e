/* SPDX-License-Identifier: MIT */
/*
 * Child ids and their owners.  Owns nothing but the list.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/log.h"
#include "lib/strbuf.h"
#include "process_table.h"


struct row {
    uint32_t         id;
    process_exit_fn  on_exit;
    void            *ctx;
};


struct process_table {
    struct event_base     *base;
    struct keeper_client  *keeper;
    struct row            *rows;
    size_t                 count;
    uint32_t               last_id;
};


struct process_table *
process_table_new(struct event_base *base, struct keeper_client *keeper)
{
    struct process_table  *table;

    table = mem_alloc(sizeof(struct process_table));
    table->base = base;
    table->keeper = keeper;

    return table;
}


void
process_table_free(struct process_table **table)
{
    if (*table != NULL) {
        free((*table)->rows);
        free(*table);
        *table = NULL;
    }
}


struct event_base *
process_table_base(struct process_table *table)
{
    return table->base;
}


struct keeper_client *
process_table_keeper(struct process_table *table)
{
    return table->keeper;
}


uint32_t
process_table_next_id(struct process_table *table)
{
    size_t  i;

    for ( ;; ) {
        table->last_id = table->last_id % 0x7ffffffe + 1;

        for (i = 0; i < table->count; i++) {
            if (table->rows[i].id == table->last_id) {
                break;
            }
        }

        if (i == table->count) {
            return table->last_id;
        }
    }
}


void
process_table_seen(struct process_table *table, uint32_t id)
{
    if (id > table->last_id) {
        table->last_id = id;
    }
}


void
process_table_add(struct process_table *table, uint32_t id,
    process_exit_fn on_exit, void *ctx)
{
    table->rows = mem_grow(table->rows, table->count + 1,
                           sizeof(struct row));

    table->rows[table->count].id = id;
    table->rows[table->count].on_exit = on_exit;
    table->rows[table->count].ctx = ctx;
    table->count++;

    process_table_seen(table, id);
}


void
process_table_remove(struct process_table *table, uint32_t id)
{
    size_t  i;

    for (i = 0; i < table->count; i++) {
        if (table->rows[i].id == id) {
            table->rows[i] = table->rows[--table->count];
            return;
        }
    }
}


void
process_table_exited(struct process_table *table,
    const struct keeper_exit_info *end)
{
    size_t      i;
    struct row  row;

    for (i = 0; i < table->count; i++) {

        if (table->rows[i].id == end->id) {
            row = table->rows[i];
            table->rows[i] = table->rows[--table->count];

            row.on_exit(row.ctx, end);
            return;
        }
    }

    /* cancelled or not ours any more: nobody reads its pipes */
    process_table_forget(table, end->id);
}


void
process_set(struct process *process, const struct keeper_child_info *info)
{
    process->id = info->id;
    process->pid = info->pid;
    process->started_unix_ms = info->started_unix_ms;
    process->log_fd = info->log_fd;
    process->report_fd = info->report_fd;
    process->control_fd = info->control_fd;
    process->tree_killed = info->tree_killed;
    process->oom_kills = info->oom_kills;

    if (snprintf(process->memory_group, sizeof(process->memory_group), "%s",
                 info->memory_group)
        >= (int) sizeof(process->memory_group))
    {
        process->memory_group[0] = '\0';
    }
}


void
process_table_forget(struct process_table *table, uint32_t id)
{
    struct error  err;

    if (keeper_client_drained(table->keeper, id, NULL, NULL, &err) != 0) {
        log_warn("forget process %u failed: %s", id, err.text);
    }
}


void
process_exit_text(int wait_status, char *text, size_t size)
{
    if (wait_status == MINT_KEEPER_STATUS_UNKNOWN) {
        snprintf(text, size, "exit status unknown: it was started by an "
                 "earlier keeper");
        return;
    }

    if (WIFSIGNALED(wait_status)) {
        snprintf(text, size, "killed by signal %d (%s)",
                 WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)));
        return;
    }

    snprintf(text, size, "exited with status %d", WEXITSTATUS(wait_status));
}
