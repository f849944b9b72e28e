/* SPDX-License-Identifier: MIT */
/*
 * Children in custody: their pipes, their deaths, and keeping them printing
 * while there is no supervisor to read.
 */

#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>


#define CHILD_LOG_BYTES      (1024 * 1024)
#define CHILD_TREE_POLL_MS   5


static struct child *child_new(const struct mint_keeper_spawn *m,
    const char *label, char **env);
static int child_make_pipes(struct child *c);
static int child_plan_fds(struct child *c, const struct mint_keeper_spawn *m,
    struct spawn_plan *plan, int *warm_far);
static int child_plan_warm(struct child *c, struct spawn_plan *plan,
    int *warm_far);
static void child_plan_limits(struct child *c,
    const struct mint_keeper_spawn *m, struct spawn_plan *plan);
static uint32_t child_kill_left(struct child *c);
static void child_bury(struct child *c, uint64_t now);


struct child *
child_find(uint32_t id)
{
    struct child  *c;

    for (c = keeper.children; c != NULL && c->id != id; c = c->next) {
        /* void */
    }

    return c;
}


/* the answer is sent when it has started */

int
child_spawn(const struct mint_keeper_spawn *m, const char *label,
    const char *cwd, char **argv, char **env, char **allow)
{
    int                failed, warm_far;
    pid_t              pid;
    struct child      *c;
    struct spawn_plan  plan = {
        .argv = argv, .env = env, .cwd = cwd, .flags = m->flags,
        .uid = m->uid, .gid = m->gid, .groups = { m->extra_gid },
        .group_count = m->extra_gid != 0, .umask = m->umask,
        .nofile = keeper.nofile, .data_bytes = RLIM_INFINITY,
        .processes = RLIM_INFINITY, .allow = allow,
        .allow_count = m->allow_count
    };

    c = child_new(m, label, env);

    if (c == NULL) {
        return ENOMEM;
    }

    if (m->nofile != 0) {
        plan.nofile.rlim_cur = m->nofile;
    }

    warm_far = -1;
    failed = child_make_pipes(c);

    if (failed == 0) {
        failed = child_plan_fds(c, m, &plan, &warm_far);
    }

    if (failed == 0) {
        child_plan_limits(c, m, &plan);
    }

    if (failed == 0 && m->warm_id != 0) {
        failed = warm_fork(c, &plan, m->warm_id, m->header.serial);

        if (failed == 0) {
            return 0;
        }

    } else if (failed == 0) {
        failed = spawn_run(&plan, &pid);
    }

    if (warm_far != -1) {
        close(warm_far);
    }

    if (failed != 0) {
        child_free(c);
        return failed;
    }

    child_started(c, pid, m->header.serial);

    return 0;
}


static struct child *
child_new(const struct mint_keeper_spawn *m, const char *label, char **env)
{
    struct child  *c;

    c = calloc(1, sizeof(*c));

    if (c == NULL) {
        return NULL;
    }

    memset(c->fd, -1, sizeof(c->fd));
    c->warm_fd = c->pidfd = -1;
    c->id = m->header.id;
    c->flags = m->flags;
    c->uid = m->uid;
    c->gid = m->gid;
    c->label = strdup(label);

    for ( /* void */ ; *env != NULL && c->instance == NULL; env++) {
        if (strncmp(*env, "MINT_INSTANCE=", 14) == 0) {
            c->instance = strdup(*env);
        }
    }

    if (c->label == NULL) {
        child_free(c);
        return NULL;
    }

    return c;
}


/* from here on it is in custody */

void
child_started(struct child *c, pid_t pid, uint32_t serial)
{
    struct timespec  now;

    clock_gettime(CLOCK_REALTIME, &now);
    c->started_unix_ms = (uint64_t) now.tv_sec * 1000
                         + (uint64_t) now.tv_nsec / 1000000;
    c->pid = pid;
    c->start_ticks = tree_start_ticks(pid);
    c->next = keeper.children;
    keeper.children = c;
    keeper.held++;
    record_write();
    child_send(c, serial);
}


/* the supervisor's ends do not block; the child's are as programs expect */

static int
child_make_pipes(struct child *c)
{
    int  i, ours;

    for (i = LOG_READ; i < CHILD_FDS; i += 2) {
        if ((i == REPORT_READ && !(c->flags & MINT_SPAWN_REPORT))
            || (i == CONTROL_READ && !(c->flags & MINT_SPAWN_CONTROL)))
        {
            continue;
        }

        ours = i == CONTROL_READ ? CONTROL_WRITE : i;

        if (pipe2(&c->fd[i], O_CLOEXEC) == -1
            || fcntl(c->fd[ours], F_SETFL, O_NONBLOCK) == -1
            || !keeper_fds_left(c->fd[i + 1]))
        {
            return errno;
        }
    }

    /* larger if we may; and a program may open /dev/stderr as itself */

    (void) fcntl(c->fd[LOG_READ], F_SETPIPE_SZ, CHILD_LOG_BYTES);
    (void) !fchown(c->fd[LOG_WRITE], c->uid, (gid_t) -1);

    return 0;
}


static int
child_plan_fds(struct child *c, const struct mint_keeper_spawn *m,
    struct spawn_plan *plan, int *warm_far)
{
    uint32_t          i;
    struct listener  *l;

    plan->fds[plan->fd_count++] = keeper.null_fd;
    plan->fds[plan->fd_count++] = c->fd[LOG_WRITE];
    plan->fds[plan->fd_count++] = c->fd[LOG_WRITE];

    for (i = 0; i < m->listener_count; i++) {
        l = listener_find(m->listener_id[i]);

        if (l == NULL) {
            return ENOENT;
        }

        plan->fds[plan->fd_count++] = l->fd;
    }

    if (c->fd[REPORT_WRITE] != -1) {
        plan->fds[plan->fd_count++] = c->fd[REPORT_WRITE];
    }

    if (c->fd[CONTROL_READ] != -1) {
        plan->fds[plan->fd_count++] = c->fd[CONTROL_READ];
    }

    return c->flags & MINT_SPAWN_WARM ? child_plan_warm(c, plan, warm_far) : 0;
}


/* by its cgroups; what they cannot limit here, by resource limits */

static void
child_plan_limits(struct child *c, const struct mint_keeper_spawn *m,
    struct spawn_plan *plan)
{
    struct cgroup_limits  limits = {
        m->memory_bytes, m->pids, m->cpu_percent
    };

    if (!(m->flags & MINT_SPAWN_LIGHT_TREE)) {
        cgroup_make(&c->cgroup, c->label, c->id, &limits);
        plan->cgroup = &c->cgroup;
    }

    if (m->memory_bytes != 0 && cgroup_facts.memory == MINT_MEANS_RLIMIT) {
        plan->data_bytes = m->memory_bytes;
    }

    /* the kernel counts all of the uid's: who is started beside another one
       must be able to start, however many that one has (child_limit_alone) */

    if (m->pids != 0 && cgroup_facts.pids == MINT_MEANS_RLIMIT
        && identity_in_range(m->uid))
    {
        c->pids = m->pids;

        if (child_has_uid_alone(c)) {
            plan->processes = m->pids;
        }
    }
}


/* the far end is the child's alone: its death is seen by who asks it */

static int
child_plan_warm(struct child *c, struct spawn_plan *plan, int *warm_far)
{
    int  pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1) {
        return errno;
    }

    c->warm_fd = pair[0];
    *warm_far = pair[1];
    plan->fds[plan->fd_count++] = pair[1];

    return keeper_fds_left(pair[1]) ? 0 : errno;
}


void
child_free(struct child *c)
{
    int  i;

    cgroup_remove(&c->cgroup);

    if (c->warm_fd != -1) {
        close(c->warm_fd);
    }

    if (c->pidfd != -1) {
        close(c->pidfd);
    }

    for (i = 0; i < CHILD_FDS; i++) {
        if (c->fd[i] != -1) {
            close(c->fd[i]);
        }
    }

    free(c->label);
    free(c->instance);
    free(c);
}


int
child_signal(uint32_t id, int number)
{
    struct child  *c;

    c = child_find(id);

    if (c == NULL || c->is_reaped) {
        return c == NULL ? ENOENT : ESRCH;
    }

    if (number == SIGKILL) {
        c->tree_killed += tree_kill_below(c->pid, c->pidfd);
        (void) cgroup_kill(&c->cgroup);
        return 0;
    }

    return (c->pidfd != -1 ? pidfd_send_signal(c->pidfd, number, NULL, 0)
            : kill(c->pid, number)) == -1 ? errno : 0;
}


int
child_forget(uint32_t id)
{
    struct child  *c, **at;

    for (at = &keeper.children; *at != NULL; at = &c->next) {
        c = *at;

        /* dead, but not buried yet: its end was known before a hand-over */

        if (c->id == id && !c->is_exited && c->is_reaped && c->is_adopted) {
            c->is_forgotten = 1;
            return 0;
        }

        if (c->id == id && !c->is_exited) {
            return EBUSY;
        }

        if (c->id == id) {
            *at = c->next;
            child_free(c);
            keeper.held--;
            return 0;
        }
    }

    return ENOENT;
}


int
child_died(pid_t pid, int status, int is_adopted)
{
    struct child  *c;

    for (c = keeper.children; c != NULL; c = c->next) {
        if (c->pid == pid && !c->is_reaped && c->is_adopted == is_adopted) {
            c->is_reaped = 1;
            c->wait_status = status;
            c->tree_deadline_ms = keeper_now_ms() + KEEPER_TREE_MS;
            return 1;
        }
    }

    return 0;
}


int
child_has_uid_alone(const struct child *c)
{
    const struct child  *other;

    for (other = keeper.children; other != NULL; other = other->next) {
        if (other != c && other->uid == c->uid && !other->is_reaped) {
            return 0;
        }
    }

    return identity_in_range(c->uid) && !warm_has_uid(c->uid);
}


/* dead ones stay here until nothing of their tree is left */

uint64_t
child_tick(uint64_t now)
{
    uint64_t       next;
    struct child  *c, *after;

    next = KEEPER_NEVER;

    for (c = keeper.children; c != NULL; c = after) {
        after = c->next;

        if (c->is_reaped && !c->is_exited) {
            child_bury(c, now);
            next = c->is_exited ? next : now + CHILD_TREE_POLL_MS;

            if (c->is_exited && c->is_forgotten) {
                (void) child_forget(c->id);
            }
        }
    }

    return next;
}


/* returns how many are still there */

static uint32_t
child_kill_left(struct child *c)
{
    uint32_t  left, members;

    if (c->flags & MINT_SPAWN_LIGHT_TREE) {
        return 0;
    }

    /* first the walk, which counts; what it misses the cgroup has */

    left = tree_kill_orphans(c);
    members = cgroup_kill(&c->cgroup);

    return left > members ? left : members;
}


/*
 * A limit of another process may be set by who has its ids, or has
 * CAP_SYS_RESOURCE, which containers take from root.
 */

static int
child_limit(const struct child *c)
{
    int                  status;
    pid_t                pid;
    const struct rlimit  limit = { c->pids, c->pids };

    pid = fork();

    if (pid == 0) {
        _exit(setgroups(0, NULL) == -1
              || setresgid(c->gid, c->gid, c->gid) == -1
              || setresuid(c->uid, c->uid, c->uid) == -1
              || prlimit(c->pid, RLIMIT_NPROC, &limit, NULL) == -1);
    }

    return pid != -1 && waitpid(pid, &status, 0) == pid && status == 0
           ? 0 : -1;
}


/* one of the uid is gone with all it had started: is another one alone now? */

static void
child_limit_alone(uid_t uid)
{
    struct child  *c;

    for (c = keeper.children; c != NULL; c = c->next) {
        if (c->uid == uid && c->pids != 0 && c->pid > 0 && !c->is_reaped
            && child_has_uid_alone(c) && child_limit(c) == -1)
        {
            keeper_log("warn", "\"%s\" may start as many processes as it likes",
                       c->label);
        }
    }
}


static void
child_bury(struct child *c, uint64_t now)
{
    uint32_t                   left;
    struct mint_keeper_exited  m = {
        .header = { MINT_KEEPER_VERSION, MINT_KEEPER_EXITED, 0, 0, c->id },
        .pid = c->pid, .wait_status = c->wait_status
    };

    left = child_kill_left(c);

    if (left > 0 && now < c->tree_deadline_ms) {
        return;
    }

    if (left > 0) {
        keeper_log("warn", "%u processes left by \"%s\" do not die", left,
                   c->label);
    }

    c->is_exited = 1;
    c->oom_kills = cgroup_oom_kills(&c->cgroup);
    m.tree_killed = c->tree_killed;
    m.oom_kills = c->oom_kills;
    cgroup_remove(&c->cgroup);
    child_limit_alone(c->uid);

    if (!c->is_forgotten) {
        supervisor_send(&m, sizeof(m), NULL);
    }
}


/* the oldest bytes of what is more than half full */

void
child_discard(void)
{
    int            i, held, size;
    char           block[16384];
    struct child  *c;

    for (c = keeper.children; c != NULL; c = c->next) {
        for (i = LOG_READ; i <= REPORT_READ && !c->is_reaped; i += 2) {
            size = fcntl(c->fd[i], F_GETPIPE_SZ);

            if (ioctl(c->fd[i], FIONREAD, &held) == -1 || held <= size / 2) {
                continue;
            }

            for (held -= size / 4; held > 0; held -= (int) sizeof(block)) {
                (void) !read(c->fd[i], block, sizeof(block));
            }
        }
    }
}


void
child_send(const struct child *c, uint32_t serial)
{
    int                       i;
    const char               *texts[4 + MINT_KEEPER_CGROUPS];
    struct mint_keeper_child  m = {
        .header = { MINT_KEEPER_VERSION, MINT_KEEPER_CHILD, serial, 0, c->id },
        .start_ticks = c->start_ticks, .started_unix_ms = c->started_unix_ms,
        .pid = c->pid, .flags = c->flags, .exited = (uint32_t) c->is_exited,
        .wait_status = c->is_exited ? c->wait_status : 0,
        .tree_killed = c->tree_killed, .oom_kills = c->oom_kills,
        .uid = c->uid
    };

    texts[0] = c->label;
    texts[1] = cgroup_memory(&c->cgroup);
    texts[2] = c->instance != NULL ? c->instance : "";

    for (i = 0; i < MINT_KEEPER_CGROUPS; i++) {
        texts[3 + i] = c->cgroup.dir[i] != NULL ? c->cgroup.dir[i] : "";
    }

    texts[3 + i] = NULL;
    supervisor_send(&m, sizeof(m), texts);
}
