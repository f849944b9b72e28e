/* SPDX-License-Identifier: MIT */
/*
 * What the supervisor keeps so that the keeper may die: of each listener and
 * child the message it was told by, and all fds that came along.  While there
 * is no keeper it watches children by pidfd, and waits on a socket for the next
 * one, which is given everything (contract/mint_keeper.h, hand-over).
 */

#ifndef SUPERVISOR_PROCESS_KEEPER_CUSTODY_H
#define SUPERVISOR_PROCESS_KEEPER_CUSTODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/error.h"


struct event_base;
struct keeper_custody;


struct keeper_custody_events {
    /* while there is no keeper; its exit status is not known */
    void  (*on_died)(void *ctx, uint32_t id, int pid);

    /* there is another keeper and it has everything; fd is the receiver's */
    void  (*on_keeper)(void *ctx, int fd);
};


/* events must outlive it */
struct keeper_custody *keeper_custody_new(struct event_base *base,
    const struct keeper_custody_events *events, void *ctx);

/* accepts NULL and nulls; what it holds is closed, nothing is ended by that */
void keeper_custody_free(struct keeper_custody **custody);

/* where the next keeper looks for us; it must run as uid */
int keeper_custody_listen(struct keeper_custody *custody, const char *path,
    uid_t uid, struct error *err);
bool keeper_custody_is_listening(const struct keeper_custody *custody);

/* the id that is in FACTS */
void keeper_custody_set_id(struct keeper_custody *custody, const char *id);

/* LISTENER or CHILD, as it came and checked; takes the fds over */
void keeper_custody_note(struct keeper_custody *custody, const char *data,
    size_t len, const int *fds, size_t fd_count);

/* EXITED; false: that it is dead has been known before */
bool keeper_custody_died(struct keeper_custody *custody, uint32_t id,
    int wait_status, uint32_t tree_killed, uint32_t oom_kills);

/* type: MINT_KEEPER_LISTENER or MINT_KEEPER_CHILD */
void keeper_custody_forget(struct keeper_custody *custody, uint16_t type,
    uint32_t id);

/* the keeper has died */
void keeper_custody_begin(struct keeper_custody *custody);

#endif /* SUPERVISOR_PROCESS_KEEPER_CUSTODY_H */
