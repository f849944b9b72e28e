/* SPDX-License-Identifier: MIT */
/*
 * Every process the keeper runs for us, by child id: who wants to hear of its
 * end.  Also what one instance is made of once it runs (struct process).
 */

#ifndef SUPERVISOR_PROCESS_PROCESS_TABLE_H
#define SUPERVISOR_PROCESS_PROCESS_TABLE_H

#include <event2/event.h>
#include <stdint.h>

#include "keeper_client.h"


struct process_table;


/* a running (or just ended) process; the fds are its owner's */
struct process {
    uint32_t  id;                   /* child id at the keeper, 0 = none */
    int       pid;
    uint64_t  started_unix_ms;
    int       log_fd;
    int       report_fd;
    int       control_fd;
    uint32_t  tree_killed;          /* these two of one found dead */
    uint32_t  oom_kills;
    char      memory_group[256];    /* directory of its cgroup, "" = none */
};


typedef void (*process_exit_fn)(void *ctx,
    const struct keeper_exit_info *end);

/* fds are taken over */
void process_set(struct process *process,
    const struct keeper_child_info *info);


struct process_table *process_table_new(struct event_base *base,
    struct keeper_client *keeper);
void process_table_free(struct process_table **table);

struct event_base *process_table_base(struct process_table *table);
struct keeper_client *process_table_keeper(struct process_table *table);

/* an id that no process has, nor one that was told by _seen() */
uint32_t process_table_next_id(struct process_table *table);

/* the keeper has a process of that id, which is not in the table yet */
void process_table_seen(struct process_table *table, uint32_t id);

/* on_exit is called once at most */
void process_table_add(struct process_table *table, uint32_t id,
    process_exit_fn on_exit, void *ctx);
void process_table_remove(struct process_table *table, uint32_t id);

/* what keeper_client_events.on_exited tells */
void process_table_exited(struct process_table *table,
    const struct keeper_exit_info *end);

/* asks the keeper to forget an ended process whose pipes were read */
void process_table_forget(struct process_table *table, uint32_t id);

/* "killed by signal 9 (Killed)", "exited with status 3", or that it is not
   known */
void process_exit_text(int wait_status, char *text, size_t size);

#endif /* SUPERVISOR_PROCESS_PROCESS_TABLE_H */
