/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's side of the keeper protocol (contract/mint_keeper.h) on
 * libevent.  Nothing here blocks: requests are queued and sent when the
 * socket takes them; answers arrive as callbacks from the event loop, never
 * from inside the request function.
 *
 * Who owns what
 *   - fds given to a callback belong to its receiver, who must close them.
 *     They are close-on-exec; pipe ends and listeners are non-blocking.
 *   - Strings and structs given to a callback are valid until it returns.
 *   - Requests copy all they are given before they return.
 *
 * "status" of a done callback is 0 or an errno: EPERM (uid, gid or path not
 * allowed), EEXIST (id in use), ENOENT (no such id), ESRCH (already dead),
 * ECONNRESET (the keeper is lost for good), else what the system call or the
 * exec failed with.
 */

#ifndef SUPERVISOR_PROCESS_KEEPER_CLIENT_H
#define SUPERVISOR_PROCESS_KEEPER_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "contract/mint_keeper.h"
#include "lib/error.h"


struct event_base;
struct keeper_client;


struct keeper_listener_info {
    uint32_t     id;
    uint32_t     family;            /* enum mint_keeper_family */
    int          fd;                /* -1: not listening any more */
    const char  *address;           /* as bound: port 0 is resolved */
    const char  *label;
};


struct keeper_child_info {
    uint32_t     id;
    uint32_t     flags;             /* enum mint_keeper_spawn_flag */
    int          pid;
    int          exited;            /* 1: dead, pipes still readable */
    int          wait_status;       /* of a dead one, as of waitpid(2), or
                                       MINT_KEEPER_STATUS_UNKNOWN */
    uint64_t     start_ticks;       /* field 22 of /proc/PID/stat */
    uint64_t     started_unix_ms;
    int          log_fd;            /* read; each fd is -1 if there is none */
    int          report_fd;         /* read */
    int          control_fd;        /* write */
    const char  *label;
    const char  *memory_group;      /* directory of its memory cgroup, or "" */
    uint32_t     tree_killed;       /* these two of a dead one */
    uint32_t     oom_kills;
};


struct keeper_exit_info {
    uint32_t  id;
    int       pid;
    int       wait_status;          /* as of waitpid(2), or
                                       MINT_KEEPER_STATUS_UNKNOWN */
    uint32_t  tree_killed;          /* descendants the keeper had to kill */
    uint32_t  oom_kills;            /* processes the kernel killed, for want
                                       of memory, while it lived */
};


/* what the keeper can do on this machine (enum mint_keeper_means) */
struct keeper_facts {
    uint32_t  memory;
    uint32_t  pids;
    uint32_t  cpu;
    uint32_t  tree;
    uint32_t  landlock_abi;         /* 0 = no Landlock */
    char      cgroup[256];          /* where, or why there is none */
    char      custody[MINT_KEEPER_CUSTODY_LEN + 1];     /* id of all it holds:
                                       the same after a hand-over */
    int       pid;                  /* of the keeper, or of the last one */
    uint64_t  absent_since_ms;      /* unix; 0: there is one */
};


/*
 * What the keeper says by itself.  First on_listener for each listener and
 * on_child for each child, then on_attached once; the rest as it happens.
 * All pointers must be set.
 */

struct keeper_client_events {
    void  (*on_listener)(void *ctx, const struct keeper_listener_info *info);
    void  (*on_child)(void *ctx, const struct keeper_child_info *info);
    void  (*on_attached)(void *ctx);

    /* main process dead and its tree killed; read the pipes to EAGAIN (there
       is no end of file), then keeper_client_drained() frees the id */
    void  (*on_exited)(void *ctx, const struct keeper_exit_info *end);

    /* stop everything in order, then keeper_client_goodbye() */
    void  (*on_stop)(void *ctx);

    /* the keeper is gone for good or does not speak the protocol; once, after
       every outstanding done callback got ECONNRESET */
    void  (*on_lost)(void *ctx, const struct error *why);
};


typedef void (*keeper_done_pt)(void *ctx, int status);

/* info is NULL unless status is 0 */
typedef void (*keeper_listener_pt)(void *ctx, int status,
    const struct keeper_listener_info *info);
typedef void (*keeper_child_pt)(void *ctx, int status,
    const struct keeper_child_info *info);


struct keeper_listen_request {
    uint32_t     id;                /* not 0 */
    uint32_t     family;            /* enum mint_keeper_family */
    uint32_t     backlog;           /* 0 = somaxconn */
    uint32_t     mode;              /* unix: of the socket file */
    uint32_t     uid;               /* unix: owner; UINT32_MAX = as made */
    uint32_t     gid;
    const char  *address;
    const char  *label;
};


struct keeper_spawn_request {
    uint32_t            id;         /* not 0 */
    uint32_t            flags;      /* enum mint_keeper_spawn_flag */
    uint32_t            uid;        /* UINT32_MAX = the keeper's own */
    uint32_t            gid;        /* UINT32_MAX = the keeper's own */
    uint32_t            extra_gid;  /* 0 = none */
    uint32_t            umask;
    uint32_t            nofile;     /* 0 = as it is */
    uint32_t            warm_id;    /* child to fork it from, 0 = exec */
    uint32_t            listener_count;
    uint32_t            listeners[MINT_KEEPER_LISTENERS_MAX];   /* ids */
    const char         *label;
    const char         *cwd;        /* absolute */
    const char *const  *argv;       /* NULL-terminated; argv[0] absolute */
    const char *const  *env;        /* NULL-terminated: the whole of it.  Its
                                       MINT_INSTANCE= entry is how the keeper
                                       recognises descendants */
    const char *const  *allow;      /* NULL-terminated or NULL: what Landlock
                                       leaves open (mint_keeper.h, allow[]) */
    uint64_t            memory_bytes;   /* limits; 0 = none */
    uint32_t            pids;
    uint32_t            cpu_percent;    /* of one CPU */
};


/* the fd of MINT_KEEPER_FD, checked and made close-on-exec; the variable is
   removed.  Returns it or a negative enum mint_err. */
int keeper_client_fd(struct error *err);

/* takes the fd over on success; *events and ctx must outlive the client */
int keeper_client_open(struct event_base *base, int fd,
    const struct keeper_client_events *events, void *ctx,
    struct keeper_client **client_out, struct error *err);

/*
 * From now on the keeper may die: the next one finds us at path, what has not
 * been answered is asked of that one, and until then children that die are told
 * of by on_exited with an unknown status.  Without this, and before
 * on_attached, on_lost is called.
 */
int keeper_client_survive(struct keeper_client *client, const char *path,
    struct error *err);
bool keeper_client_survives(const struct keeper_client *client);

/* as told at attach; all zero before.  Valid as long as the client. */
const struct keeper_facts *keeper_client_facts(
    const struct keeper_client *client);

/* accepts NULL and nulls; may be called from a callback; done callbacks that
   are outstanding are not called */
void keeper_client_close(struct keeper_client **client);

/*
 * Requests.  Return 0 when queued: then "done" is called once.  Negative
 * (and "done" is not called): MINT_ERR_UNAVAILABLE after on_lost,
 * MINT_ERR_INVALID for what cannot be put into a message.  "done" may be NULL
 * (fds of the answer are closed then).
 */

int keeper_client_listen(struct keeper_client *client,
    const struct keeper_listen_request *request, keeper_listener_pt done,
    void *ctx, struct error *err);

/* closes the keeper's copy; the file of a unix socket is removed */
int keeper_client_unlisten(struct keeper_client *client, uint32_t id,
    keeper_done_pt done, void *ctx, struct error *err);

int keeper_client_spawn(struct keeper_client *client,
    const struct keeper_spawn_request *request, keeper_child_pt done,
    void *ctx, struct error *err);

/* SIGKILL kills the whole tree */
int keeper_client_signal(struct keeper_client *client, uint32_t id,
    int signal_number, keeper_done_pt done, void *ctx, struct error *err);

/* forget an exited child */
int keeper_client_drained(struct keeper_client *client, uint32_t id,
    keeper_done_pt done, void *ctx, struct error *err);

/* empties a directory below the keeper's --tmp-root; answered when done */
int keeper_client_wipe(struct keeper_client *client, const char *path,
    keeper_done_pt done, void *ctx, struct error *err);

/* makes the directory if missing (its parent must exist), sets mode and owner
   (UINT32_MAX = leave); below a --state-root or the --tmp-root */
int keeper_client_own(struct keeper_client *client, const char *path,
    uint32_t mode, uint32_t uid, uint32_t gid, keeper_done_pt done,
    void *ctx, struct error *err);

/* ordered stop is complete: the keeper kills what is left and exits with
   exit_status (0-125) as soon as this process has exited */
int keeper_client_goodbye(struct keeper_client *client, int exit_status,
    keeper_done_pt done, void *ctx, struct error *err);

#endif /* SUPERVISOR_PROCESS_KEEPER_CLIENT_H */
