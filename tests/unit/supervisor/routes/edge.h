/* SPDX-License-Identifier: MIT */
/*
 * Run files as the edge sees them: a reader written from contract/ alone, so
 * that the writers are not tested by their own code.  Also a run directory
 * for each test and a process that acts as a worker.
 */

#ifndef TESTS_EDGE_H
#define TESTS_EDGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "contract/mint_identity.h"
#include "contract/mint_routes.h"
#include "contract/mint_seats.h"
#include "contract/mint_workers.h"


struct edge_file {
    int                      fd;
    uint64_t                 bytes;
    struct mint_run_header  *header;
};

/* what a lookup of routes met */
struct edge_retries {
    uint64_t  retried;          /* the generation moved while copying */
    uint64_t  torn;             /* ... and the copy was in fact mixed */
    uint64_t  gave_up;          /* MINT_ROUTES_TRIES were not enough */
};


/* a fresh directory below /dev/shm or /tmp; removed with all in it */
void edge_directory_make(char path[64]);
void edge_directory_remove(const char *path);

/* maps a file read-only; aborts the test if it cannot be used */
void edge_open(struct edge_file *file, const char *directory,
    enum mint_run_kind kind);
void edge_close(struct edge_file *file);
bool edge_is_retired(const struct edge_file *file);

/* copies the route of exactly this prefix; false if there is none */
bool edge_route(const struct edge_file *routes, const char *prefix,
    struct mint_route *route, struct edge_retries *retries);

/* all of the published half, checked by its CRC as well */
bool edge_half(const struct edge_file *routes, struct mint_routes_half *half,
    struct mint_route *entries, uint32_t size, struct edge_retries *retries);

const struct mint_seat *edge_seat(const struct edge_file *seats,
    uint32_t index);

/* rows, or NULL */
const struct mint_identity_user *edge_user(const struct edge_file *identity,
    uint64_t id);
const struct mint_identity_role *edge_role(const struct edge_file *identity,
    unsigned index);
const struct mint_identity_misc *edge_misc(const struct edge_file *identity);
bool edge_denied(const struct edge_file *identity, const char *jti,
    uint64_t now_unix);

/* copies the blob, NUL-terminated, into text (MINT_BLOB_MAX + 8 bytes);
   returns its length, 0 if there is none */
uint32_t edge_blob(const struct edge_file *identity, const uint64_t *word,
    char *text);

/* a token of a plugin, "" if none */
void edge_token(const struct edge_file *identity, uint32_t plugin_id,
    char *text);


/*
 * A worker in a process of its own: opens "workers" anew, owns a record,
 * counts into seats on command.
 */

struct edge_worker {
    pid_t  pid;
    int    to;                  /* commands */
    int    from;                /* one byte for each done */
};

void edge_worker_start(struct edge_worker *worker, const char *directory);
void edge_worker_command(struct edge_worker *worker, char command,
    uint32_t value);
void edge_worker_kill(struct edge_worker *worker);

/* commands of a worker */
#define EDGE_ENTER      'e'     /* count into seat value */
#define EDGE_LEAVE      'l'     /* count out of seat value */
#define EDGE_EPOCHS     'p'     /* open all files by name, record epochs */
#define EDGE_REOPEN     'r'     /* also own a record in the file now there */

#endif /* TESTS_EDGE_H */
