/* SPDX-License-Identifier: MIT */
/*
 * What the files of mint-keeper share: one struct with everything held, and
 * the functions they call in each other.  A function that can fail returns 0
 * or an errno, unless it says otherwise.
 */

#ifndef KEEPER_KEEPER_H
#define KEEPER_KEEPER_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "cgroup.h"
#include "contract/mint_keeper.h"
#include "contract/mint_version.h"


#define KEEPER_LIST_MAX  16                 /* groups, identities, roots */
#define KEEPER_NEVER     UINT64_MAX
#define KEEPER_TREE_MS   2000               /* for a dead child's tree to die */
#define KEEPER_GOODBYE_MS  3000             /* for the supervisor to exit */
#define SPAWN_FDS_MAX    (MINT_KEEPER_FIRST_FD + MINT_KEEPER_LISTENERS_MAX + 3)
#define WARM_BIRTHS_MAX  32                 /* forks under way */
#define KEEPER_SPAWN_FLAGS  (MINT_SPAWN_REPORT | MINT_SPAWN_CONTROL \
                             | MINT_SPAWN_SUBREAPER \
                             | MINT_SPAWN_NO_NEW_PRIVS \
                             | MINT_SPAWN_LIGHT_TREE | MINT_SPAWN_SANDBOX \
                             | MINT_SPAWN_WARM)


struct listener {
    struct listener  *next;
    uint32_t          id;
    uint32_t          family;
    int               fd;
    ino_t             inode;                /* unix: of the socket file */
    char             *asked;                /* address as in LISTEN */
    char             *bound;
    char             *label;
};


/* both ends of each pipe are kept: no one ever sees an end of file */
enum child_fd {
    LOG_READ, LOG_WRITE, REPORT_READ, REPORT_WRITE, CONTROL_READ,
    CONTROL_WRITE, CHILD_FDS
};

struct child {
    struct child  *next;
    uint32_t       id;
    uint32_t       flags;
    uid_t          uid;
    gid_t          gid;
    pid_t          pid;
    int            is_adopted;              /* an earlier keeper's child */
    int            pidfd;                   /* of such a one that lives */
    int            is_reaped;
    int            is_exited;               /* and its tree is dead */
    int            is_forgotten;            /* free it then, say nothing */
    int            wait_status;
    uint32_t       pids;                    /* limit by RLIMIT_NPROC, 0: none */
    uint32_t       tree_killed;
    uint32_t       oom_kills;
    uint64_t       tree_deadline_ms;
    uint64_t       start_ticks;
    uint64_t       started_unix_ms;
    int            fd[CHILD_FDS];
    int            warm_fd;                 /* asks it to fork, -1: no warm */
    char          *label;
    char          *instance;                /* "MINT_INSTANCE=..." or NULL */
    struct cgroup  cgroup;
};


/* a process about to be made; fds[i] becomes its fd i */
struct spawn_plan {
    char         **argv;
    char         **env;
    const char    *cwd;                     /* NULL: as it is */
    int            fds[SPAWN_FDS_MAX];
    int            fd_count;
    uint32_t       flags;
    uid_t          uid;                     /* ids only when is_root */
    gid_t          gid;
    gid_t          groups[KEEPER_LIST_MAX];
    size_t         group_count;
    uint32_t       umask;                   /* UINT32_MAX: as it is */
    struct rlimit  nofile;
    rlim_t         data_bytes;              /* RLIM_INFINITY: as it is */
    rlim_t         processes;               /* so, too */
    const struct cgroup  *cgroup;           /* to be in, or NULL */
    char          *const *allow;            /* with MINT_SPAWN_SANDBOX */
    uint32_t       allow_count;
};


struct keeper {
    int                is_root;
    struct spawn_plan  supervisor;
    uid_t              uids[KEEPER_LIST_MAX];
    gid_t              gids[KEEPER_LIST_MAX];
    size_t             uid_count;
    size_t             gid_count;
    uint32_t           range_first;
    uint32_t           range_last;          /* 0: no range */
    uint64_t           stop_timeout_ms;
    uint64_t           stop_deadline_ms;    /* KEEPER_NEVER: not stopping */
    struct rlimit      nofile;              /* as it was given to us */
    int                null_fd;
    struct listener   *listeners;
    struct child      *children;
    size_t             held;                /* listeners and children */
    int                has_adopted;         /* processes that are not ours */
    const char        *socket_path;         /* for the hand-over, or NULL */
    char              *mark;                /* "MINT_KEEPER=...", or NULL */
    char               custody[MINT_KEEPER_CUSTODY_LEN + 1];
};

extern struct keeper  keeper;


/* main.c */
uint64_t keeper_now_ms(void);
void keeper_log(const char *level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int keeper_made(pid_t pid);                 /* not an orphan */
int keeper_fds_left(int fd);
void keeper_die(const char *what, int failed) __attribute__((noreturn));
void keeper_finish(int status, uint64_t grace_ms) __attribute__((noreturn));

/* identity.c */
int identity_add(const char *text, int is_supervisor);
int identity_add_range(const char *text);
int identity_numbers(const char *text, char separator, uint32_t *list,
    int max);
int identity_allowed(uint32_t uid, uint32_t gid, uint32_t extra_gid);
int identity_in_range(uint32_t id);

/* supervisor.c */
extern pid_t     supervisor_pid;            /* 0: none */
extern int       supervisor_pidfd;          /* -1: none, or our own child */
extern unsigned  supervisor_era;            /* grows with each of them */
int supervisor_poll(short *events);         /* returns its fd or -1 */
void supervisor_io(short events);
uint64_t supervisor_tick(uint64_t now);     /* returns when to come again */
void supervisor_died(int status);
void supervisor_attach(int fd, pid_t pid, int pidfd);
void supervisor_send(const void *head, size_t size,
    const char *const *texts);              /* NULL-terminated, or NULL */
void supervisor_say(enum mint_keeper_type type, uint32_t serial, int status,
    uint32_t id);

/* request.c */
void request_handle(char *data, size_t len);

/* listener.c */
struct listener *listener_find(uint32_t id);
int listener_open(const struct mint_keeper_listen *m, const char *address,
    const char *label);
int listener_close(uint32_t id);
void listener_send(const struct listener *l, uint32_t serial);

/* child.c */
struct child *child_find(uint32_t id);
int child_spawn(const struct mint_keeper_spawn *m, const char *label,
    const char *cwd, char **argv, char **env, char **allow);
void child_started(struct child *c, pid_t pid, uint32_t serial);
void child_free(struct child *c);
int child_signal(uint32_t id, int number);
int child_forget(uint32_t id);
int child_died(pid_t pid, int status, int is_adopted);  /* false: none */
int child_has_uid_alone(const struct child *c);
uint64_t child_tick(uint64_t now);
void child_discard(void);
void child_send(const struct child *c, uint32_t serial);

/* spawn.c */
pid_t spawn_fork(void);
int spawn_run(const struct spawn_plan *plan, pid_t *pid_out);

/* warm.c */
int warm_fork(struct child *c, const struct spawn_plan *plan,
    uint32_t warm_id, uint32_t serial);     /* 0: c is taken over */
int warm_is_expected(uint32_t id);
int warm_has_uid(uid_t uid);
int warm_poll(struct pollfd *fds);          /* returns how many it has set */
void warm_io(const struct pollfd *fds, int count);
uint64_t warm_tick(uint64_t now);

/* warm_rights.c */
int warm_rights_limit(void);
int warm_rights_keep(void);

/* tree.c */
struct process {
    char                state;
    int                 parent;
    int                 session;
    unsigned long long  start_ticks;
};

int tree_look(pid_t pid, struct process *process);      /* 0 or -1 */
size_t tree_environment(pid_t pid, const char **text_out);
int tree_has(const char *text, size_t len, const char *entry);
uint64_t tree_start_ticks(pid_t pid);
uid_t tree_uid(pid_t pid);                  /* -1: it is gone */
int tree_is_ours(pid_t pid);
uint32_t tree_kill_below(pid_t pid, int pidfd);     /* -1: of our own child */
uint32_t tree_kill_orphans(struct child *c);
uint32_t tree_kill_found(pid_t pid, pid_t parent);
void tree_kill_all(pid_t spared);
void tree_forget(pid_t pid);

/* adopted.c: who was started by an earlier keeper */
enum adopted_sweep {
    ADOPTED_COUNT, ADOPTED_STRAYS, ADOPTED_ALL
};

int adopted_prepare(void);                  /* returns an fd to poll, or -1 */
int adopted_open(pid_t pid, uint64_t start_ticks, uid_t uid);
int adopted_watch(pid_t pid, int pidfd);
void adopted_io(void);
int adopted_kill(pid_t spared);             /* returns how many there are */
uint32_t adopted_sweep(enum adopted_sweep how, pid_t spared);

/* record.c */
#define RECORD_LINE_MAX  64

int record_open(const char *pid_file);
void record_write(void);
uint32_t record_left(int is_to_kill);
void record_remove(void);

/* handover.c */
void handover_take(void);

/* sandbox.c */
uint32_t sandbox_abi(void);                 /* of Landlock, 0 = none */
int sandbox_apply(char *const *allow, uint32_t count);
int sandbox_is_entry(const char *entry);

/* path.c */
int path_add_root(const char *path, int may_wipe);
int path_own(const struct mint_keeper_path *m, const char *path);
int path_wipe(const struct mint_keeper_header *h, const char *path);
int path_wiped(pid_t pid, int status);      /* false: not a wiper */
int path_is_wiper(pid_t pid);

#endif /* KEEPER_KEEPER_H */
