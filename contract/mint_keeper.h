/* SPDX-License-Identifier: MIT */
/*
 * Keeper protocol: fixed messages on one SOCK_SEQPACKET socketpair between
 * mint-keeper and mint-supervisor (fd number in MINT_KEEPER_FD).
 *
 * The keeper holds custody and no policy.  It knows two kinds of things, both
 * numbered by the supervisor:
 *   listener  a listening socket; the keeper keeps the only lasting copy
 *   child     a process, its pid, start time, exit status, and both ends of
 *             its log pipe (stdout + stderr), report pipe (child writes) and
 *             control pipe (supervisor writes)
 *
 * Attach: when a supervisor starts, the keeper sends MINT_KEEPER_FACTS, then
 * one MINT_KEEPER_LISTENER per listener and one MINT_KEEPER_CHILD per child,
 * each with its fds, then MINT_KEEPER_ATTACHED.  So a new supervisor adopts
 * everything.
 *
 * Hand-over: when a keeper has died, the next one tells the supervisor HELLO
 * on the socket of MINT_KEEPER_SOCKET, which the supervisor listens on, and
 * the same is told the other way round: CUSTODY, then every LISTENER and CHILD
 * as the dead keeper had sent it, with its fds, then GIVEN.  The keeper goes
 * on as if the supervisor had just attached: FACTS, EXITED for each child that
 * is dead or not to be had, ATTACHED.  The supervisor then asks again what had
 * not been answered, except SPAWN: what a dead keeper may have started without
 * saying so, the new one kills.  Each checks who the other is (SO_PEERCRED).
 *
 * The fds travel by SCM_RIGHTS in the order given at each message.  Strings
 * follow the struct, each ended by NUL.  A message is at most
 * MINT_KEEPER_MESSAGE_MAX bytes.  Requests are answered in order, WIPE when it
 * has ended; "serial" of the answer is that of the request, 0 in what the
 * keeper says by itself.  An answer whose status is not 0 is the header alone.
 *
 * Who may be asked for: uids and gids only within the identities and the
 * range the keeper was started with (see mint-keeper --help).
 */

#ifndef MINT_KEEPER_H
#define MINT_KEEPER_H

#include <stdint.h>


#define MINT_KEEPER_VERSION       4
#define MINT_KEEPER_FD_ENV        "MINT_KEEPER_FD"
#define MINT_KEEPER_PROGRAM_ENV   "MINT_KEEPER_PROGRAM"   /* what it starts */
#define MINT_KEEPER_SOCKET_ENV    "MINT_KEEPER_SOCKET"    /* for hand-over */
#define MINT_KEEPER_MARK_ENV      "MINT_KEEPER"     /* in the environment of
                                       each child: pid file of its keeper */
#define MINT_KEEPER_MESSAGE_MAX   131072
#define MINT_KEEPER_LABEL_MAX     256
#define MINT_KEEPER_LISTENERS_MAX 64        /* per child */
#define MINT_KEEPER_FIRST_FD      3         /* of a child's listeners */
#define MINT_KEEPER_FDS_MAX       6         /* of one message */
#define MINT_KEEPER_CGROUPS       4         /* of one child, see CHILD */
#define MINT_KEEPER_CUSTODY_LEN   32        /* hex digits */

/* wait status of a process that is not the keeper's own child: an earlier
   keeper has started it.  No process ever ends with this one. */
#define MINT_KEEPER_STATUS_UNKNOWN  (-1)


enum mint_keeper_type {
    /* supervisor to keeper */
    MINT_KEEPER_LISTEN = 1,
    MINT_KEEPER_UNLISTEN = 2,
    MINT_KEEPER_SPAWN = 3,
    MINT_KEEPER_SIGNAL = 4,
    MINT_KEEPER_DRAINED = 5,        /* forget an exited child, close pipes */
    MINT_KEEPER_WIPE = 6,           /* empty a directory below the TMP root */
    MINT_KEEPER_OWN = 7,            /* mkdir + chown below the state roots */
    MINT_KEEPER_GOODBYE = 8,        /* ordered stop is complete: exit, with
                                       header.status (0-125) */
    MINT_KEEPER_CUSTODY = 9,        /* hand-over: its beginning and end; with */
    MINT_KEEPER_GIVEN = 10,         /* LISTENER and CHILD between */

    /* keeper to supervisor */
    MINT_KEEPER_LISTENER = 64,      /* answer to LISTEN, and at attach */
    MINT_KEEPER_CHILD = 65,         /* answer to SPAWN, and at attach */
    MINT_KEEPER_EXITED = 66,        /* a child has died */
    MINT_KEEPER_ATTACHED = 67,      /* end of the list at attach */
    MINT_KEEPER_DONE = 68,          /* answer to the other requests */
    MINT_KEEPER_STOP = 69,          /* the keeper was told to stop: stop all
                                       in order, then GOODBYE */
    MINT_KEEPER_FACTS = 70,         /* what this kernel lets the keeper do */
    MINT_KEEPER_HELLO = 71          /* asks for the hand-over */
};


struct mint_keeper_header {
    uint16_t  version;
    uint16_t  type;                 /* enum mint_keeper_type */
    uint32_t  serial;
    int32_t   status;               /* answers: 0 or an errno */
    uint32_t  id;                   /* of the listener or child */
};


enum mint_keeper_family {
    MINT_KEEPER_UNIX = 1,           /* string: path */
    MINT_KEEPER_TCP = 2             /* string: "127.0.0.1:0"; loopback only */
};


/*
 * LISTEN: strings: address, label.  Answer LISTENER with one fd.  Listening
 * twice under one id with the same address answers the socket already held.
 * It is non-blocking; a uid or gid of UINT32_MAX is left as it is made.
 */

struct mint_keeper_listen {
    struct mint_keeper_header  header;
    uint32_t  family;
    uint32_t  backlog;              /* 0 = somaxconn */
    uint32_t  mode;                 /* unix: of the socket file, as 0660 */
    uint32_t  uid;                  /* unix: owner of the socket file */
    uint32_t  gid;
    uint32_t  reserved;
};


/* LISTENER: fds: the socket.  Strings: address as bound, label, address as it
   was asked for. */

struct mint_keeper_listener {
    struct mint_keeper_header  header;
    uint32_t  family;
    uint32_t  reserved;
};


enum mint_keeper_spawn_flag {
    MINT_SPAWN_REPORT = 1,          /* give it a report pipe */
    MINT_SPAWN_CONTROL = 2,         /* give it a control pipe */
    MINT_SPAWN_SUBREAPER = 4,       /* PR_SET_CHILD_SUBREAPER in the child */
    MINT_SPAWN_NO_NEW_PRIVS = 8,
    MINT_SPAWN_LIGHT_TREE = 16,     /* on death do not hunt descendants; it
                                       gets no cgroup */
    MINT_SPAWN_SANDBOX = 32,        /* Landlock: only what is in allow[], and
                                       no signal to anyone outside */
    MINT_SPAWN_WARM = 64            /* it forks others: contract/mint_warm.h */
};


/* first letter of an entry of allow[]; an absolute path follows */
#define MINT_ALLOW_READ    'r'      /* read, list, execute */
#define MINT_ALLOW_WRITE   'w'      /* and change, make, remove */
#define MINT_ALLOW_DEVICE  'd'      /* read, write, ioctl */


/*
 * SPAWN: strings: label, cwd, argv[argc], env[envc], allow[allow_count];
 * argv[0] is the path.  Paths of allow[] that the child cannot reach are left
 * out.  Limits are of the child and all it starts; how far they are in force
 * is in FACTS.  Where there are cgroups each child has one of its own, is in
 * it before it runs, and what is left in it dies with the child.
 * In the child: stdin is /dev/null, stdout and stderr the log pipe, fds 3..
 * the listeners in the order of listener_id[], then the report pipe's write
 * end (if asked for), then the control pipe's read end (if asked for), then
 * the warm socket (if asked for).  The child gets its own session; every other
 * fd is closed.
 *
 * A warm child keeps CAP_SETUID and CAP_SETGID when the keeper is root, for
 * the ids of the range alone, and no other capability.  warm_id names one:
 * then nothing is exec'ed, the warm child forks a process that becomes all of
 * the above and goes on as argv[] says.  It is the keeper's child like any
 * other.  What fails is answered (ESRCH: that warm child is dead, ETIMEDOUT:
 * it does not fork), and asking again without warm_id is the way out.
 * Answer CHILD, of a forked one when it is ready to load what argv[] says.
 * status != 0: nothing runs and the id is free again.
 */

struct mint_keeper_spawn {
    struct mint_keeper_header  header;
    uint32_t  flags;
    uint32_t  uid;                  /* UINT32_MAX: the keeper's own */
    uint32_t  gid;
    uint32_t  umask;
    uint32_t  argc;
    uint32_t  envc;
    uint32_t  nofile;               /* RLIMIT_NOFILE, 0 = as it is */
    uint32_t  listener_count;
    uint32_t  listener_id[MINT_KEEPER_LISTENERS_MAX];
    uint32_t  extra_gid;            /* one supplementary group, 0 = none */
    uint32_t  allow_count;          /* 0 without MINT_SPAWN_SANDBOX */
    uint64_t  memory_bytes;         /* limits: 0 = none */
    uint32_t  pids;                 /* processes and threads together */
    uint32_t  cpu_percent;          /* of one CPU: 150 = one and a half */
    uint32_t  warm_id;              /* child to fork from, 0 = exec */
    uint32_t  reserved;
};


/*
 * CHILD: fds: both ends, read and write, of its log pipe, report pipe (if any)
 * and control pipe (if any).  Strings: label; directory of its memory cgroup,
 * "" = none; its MINT_INSTANCE=..., "" = none; MINT_KEEPER_CGROUPS directories
 * of its cgroups, v2, then v1's memory, pids, cpu, "" = none.  At attach a
 * child that is already dead is listed with exited = 1 and its wait status, its
 * pipes still readable.
 */

struct mint_keeper_child {
    struct mint_keeper_header  header;
    uint64_t  start_ticks;          /* field 22 of /proc/PID/stat */
    uint64_t  started_unix_ms;
    int32_t   pid;
    uint32_t  flags;                /* of its SPAWN */
    uint32_t  exited;
    int32_t   wait_status;          /* as of waitpid(2), or UNKNOWN */
    uint32_t  tree_killed;          /* this and the next as in EXITED */
    uint32_t  oom_kills;
    uint32_t  uid;
    uint32_t  reserved;
};


/* EXITED: sent after the whole tree below the child has been killed */

struct mint_keeper_exited {
    struct mint_keeper_header  header;
    int32_t   pid;
    int32_t   wait_status;          /* or MINT_KEEPER_STATUS_UNKNOWN */
    uint32_t  tree_killed;          /* descendants that had to be killed */
    uint32_t  oom_kills;            /* of its processes, by the kernel; only
                                       a memory cgroup tells */
};


enum mint_keeper_means {
    MINT_MEANS_NONE = 0,
    MINT_MEANS_CGROUP2 = 1,
    MINT_MEANS_CGROUP1 = 2,
    MINT_MEANS_RLIMIT = 3,          /* memory: of each process alone; pids:
                                       of the uid, from when no other child has
                                       it */
    MINT_MEANS_WALK = 4             /* trees: by /proc, without a cgroup */
};


/*
 * FACTS: strings: why there are no cgroups, or where they are; an id of what
 * is held.  It is the same for all supervisors and keepers that have handed
 * that over to each other, another after each start from nothing.  CUSTODY: the
 * header; string: that id.
 */

struct mint_keeper_facts {
    struct mint_keeper_header  header;
    uint32_t  memory;               /* enum mint_keeper_means */
    uint32_t  pids;
    uint32_t  cpu;
    uint32_t  tree;                 /* how all of a dead child's is found */
    uint32_t  landlock_abi;         /* 0 = MINT_SPAWN_SANDBOX does nothing */
    uint32_t  reserved;
};


struct mint_keeper_signal {
    struct mint_keeper_header  header;
    int32_t   signal;               /* SIGKILL kills the whole tree */
    uint32_t  reserved;
};


/*
 * WIPE and OWN: string: absolute path, below one of the roots the keeper was
 * started with.  No symbolic link is followed (openat2, RESOLVE_NO_SYMLINKS).
 * OWN makes the directory if missing, sets mode, uid and gid.  If it was
 * another user's (but root's), what is in it and was theirs goes along.
 */

struct mint_keeper_path {
    struct mint_keeper_header  header;
    uint32_t  mode;
    uint32_t  uid;
    uint32_t  gid;
    uint32_t  reserved;
};


_Static_assert(sizeof(struct mint_keeper_header) == 16, "keeper header");
_Static_assert(sizeof(struct mint_keeper_listen) == 40, "keeper listen");
_Static_assert(sizeof(struct mint_keeper_spawn) == 336, "keeper spawn");
_Static_assert(sizeof(struct mint_keeper_child) == 64, "keeper child");
_Static_assert(sizeof(struct mint_keeper_exited) == 32, "keeper exited");
_Static_assert(sizeof(struct mint_keeper_facts) == 40, "keeper facts");

#endif /* MINT_KEEPER_H */
