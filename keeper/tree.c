/* SPDX-License-Identifier: MIT */
/*
 * Processes as /proc shows them, and killing trees of them.  A child is a
 * subreaper, so what it leaves behind becomes ours when it dies; there it is
 * known by session, by MINT_INSTANCE in its environment, or by a uid that
 * only this child has.  Who is to be killed is stopped first, so that nothing
 * slips away while its children are listed.
 *
 * What the child of an earlier keeper leaves behind goes to whoever has taken
 * over that keeper's children: our own parent, or process 1.
 */

#include "keeper.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>


#define TREE_CHILDREN_MAX  4096             /* of one process, at a time */
#define TREE_DEPTH_MAX     32               /* deeper ones come to us later */
#define TREE_KILLED_MAX    1024


static uint32_t tree_kill(pid_t pid, pid_t parent, int depth);
static uint32_t tree_kill_children(pid_t pid, int depth);
static int tree_is_dying(pid_t pid, pid_t root);
static int tree_is_session_of(const struct child *c);
static int tree_belongs(pid_t pid, const struct child *c);
static size_t tree_children(pid_t pid, pid_t *list);
static uint32_t tree_kill_left(struct child *c, pid_t parent);
static int tree_signal(pid_t pid, int pidfd, int number);
static size_t tree_read(const char *path);


static char   tree_text[256 * 1024];        /* of the file read last */
static pid_t  tree_root;                    /* whose tree is being killed */

/* not yet reaped: count once, and wait for their end */
static struct {
    pid_t  pid;
    pid_t  root;
} tree_killed[TREE_KILLED_MAX];


uint64_t
tree_start_ticks(pid_t pid)
{
    struct process  process;

    return tree_look(pid, &process) == 0 ? process.start_ticks : 0;
}


/* the real one: /proc/PID may belong to root although the process does not */

uid_t
tree_uid(pid_t pid)
{
    char  path[64], *at;

    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    tree_read(path);
    at = strstr(tree_text, "\nUid:\t");

    return at != NULL ? (uid_t) strtoul(at + 6, NULL, 10) : (uid_t) -1;
}


int
tree_is_ours(pid_t pid)
{
    struct process  process;

    return tree_look(pid, &process) == 0 && process.parent == getpid();
}


/* pid is a child of ours and not reaped, so the number is still its own; else
   it has a pidfd */

uint32_t
tree_kill_below(pid_t pid, int pidfd)
{
    uint32_t  killed;

    tree_root = pid;

    if (tree_signal(pid, pidfd, SIGSTOP) == -1) {
        return 0;
    }

    killed = tree_kill_children(pid, 0);
    (void) tree_signal(pid, pidfd, SIGKILL);

    return killed;
}


static int
tree_signal(pid_t pid, int pidfd, int number)
{
    return pidfd == -1 ? kill(pid, number)
                       : pidfd_send_signal(pidfd, number, NULL, 0);
}


uint32_t
tree_kill_found(pid_t pid, pid_t parent)
{
    tree_root = pid;

    return tree_kill(pid, parent, 0);
}


/* returns how many of the dead child's are still there */

uint32_t
tree_kill_orphans(struct child *c)
{
    uint32_t  left;

    left = tree_kill_left(c, getpid());

    if (c->is_adopted) {
        left += tree_kill_left(c, getppid());
        left += getppid() != 1 ? tree_kill_left(c, 1) : 0;
    }

    return left;
}


static uint32_t
tree_kill_left(struct child *c, pid_t parent)
{
    pid_t     list[TREE_CHILDREN_MAX];
    size_t    i, n;
    uint32_t  left;

    left = 0;
    tree_root = c->pid;
    n = tree_children(parent, list);

    for (i = 0; i < n; i++) {
        if (list[i] != getpid() && !keeper_made(list[i])
            && (tree_is_dying(list[i], c->pid) || tree_belongs(list[i], c)))
        {
            c->tree_killed += tree_kill(list[i], parent, 0);
            left++;
        }
    }

    return left;
}


void
tree_kill_all(pid_t spared)
{
    pid_t   list[TREE_CHILDREN_MAX];
    size_t  i, n;

    tree_root = 0;
    n = tree_children(getpid(), list);

    for (i = 0; i < n; i++) {
        if (list[i] != spared) {
            tree_kill(list[i], getpid(), 0);
        }
    }
}


void
tree_forget(pid_t pid)
{
    size_t  i;

    for (i = 0; i < TREE_KILLED_MAX; i++) {
        if (tree_killed[i].pid == pid) {
            tree_killed[i].pid = 0;
        }
    }
}


static uint32_t
tree_kill(pid_t pid, pid_t parent, int depth)
{
    int             fd;
    size_t          i, slot;
    uint32_t        killed;
    struct process  process;

    killed = 0;
    fd = pidfd_open(pid, 0);

    /* looked at after it was opened: the number cannot be another's now */

    if (fd != -1 && tree_look(pid, &process) == 0 && process.state != 'Z'
        && process.parent == parent
        && pidfd_send_signal(fd, SIGSTOP, NULL, 0) == 0)
    {
        killed = tree_kill_children(pid, depth + 1);
        pidfd_send_signal(fd, SIGKILL, NULL, 0);

        for (i = 0, slot = 0; i < TREE_KILLED_MAX; i++) {
            if (tree_killed[i].pid == pid) {
                break;
            }

            slot = tree_killed[i].pid == 0 ? i : slot;
        }

        if (i == TREE_KILLED_MAX) {
            tree_killed[slot].pid = pid;
            tree_killed[slot].root = tree_root;
            killed++;
        }
    }

    if (fd != -1) {
        close(fd);
    }

    return killed;
}


static uint32_t
tree_kill_children(pid_t pid, int depth)
{
    pid_t     list[TREE_CHILDREN_MAX];
    size_t    i, n;
    uint32_t  killed;

    killed = 0;
    n = depth < TREE_DEPTH_MAX ? tree_children(pid, list) : 0;

    for (i = 0; i < n; i++) {
        killed += tree_kill(list[i], pid, depth);
    }

    return killed;
}


/* its environment is gone first, so it is known by having been killed */

static int
tree_is_dying(pid_t pid, pid_t root)
{
    size_t          i;
    struct process  process;

    for (i = 0; i < TREE_KILLED_MAX; i++) {
        if (tree_killed[i].pid == pid) {
            return tree_killed[i].root == root
                   && tree_look(pid, &process) == 0 && process.state != 'Z';
        }
    }

    return 0;
}


static int
tree_belongs(pid_t pid, const struct child *c)
{
    size_t          len;
    const char     *text;
    uid_t           uid;
    struct process  process;

    if (tree_look(pid, &process) == -1 || process.state == 'Z') {
        return 0;
    }

    uid = tree_uid(pid);

    /* where others' children are it must be of one of our identities */

    if (c->is_adopted && !identity_allowed(uid, UINT32_MAX, 0)) {
        return 0;
    }

    if ((process.session == c->pid && tree_is_session_of(c))
        || (child_has_uid_alone(c) && uid == c->uid))
    {
        return 1;
    }

    text = NULL;
    len = c->instance != NULL ? tree_environment(pid, &text) : 0;

    return tree_has(text, len, c->instance);
}


/* the number is free for others only when nobody is left in the session; of
   a child of our own it is not when this is asked */

static int
tree_is_session_of(const struct child *c)
{
    uint64_t  start_ticks;

    start_ticks = c->is_adopted ? tree_start_ticks(c->pid) : 0;

    return start_ticks == 0 || start_ticks == c->start_ticks;
}


/* what it was started with; valid until the next file is read */

size_t
tree_environment(pid_t pid, const char **text_out)
{
    char  path[64];

    snprintf(path, sizeof(path), "/proc/%d/environ", pid);
    *text_out = tree_text;

    return tree_read(path);
}


int
tree_has(const char *text, size_t len, const char *entry)
{
    size_t  at;

    for (at = 0; at < len; at += strlen(text + at) + 1) {
        if (strcmp(text + at, entry) == 0) {
            return 1;
        }
    }

    return 0;
}


static size_t
tree_children(pid_t pid, pid_t *list)
{
    DIR            *tasks;
    char            path[64], *at, *end;
    size_t          n;
    struct dirent  *task;

    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    tasks = opendir(path);
    n = 0;

    while (tasks != NULL && (task = readdir(tasks)) != NULL) {
        snprintf(path, sizeof(path), "/proc/%d/task/%.16s/children", pid,
                 task->d_name);
        tree_read(path);

        for (at = tree_text; n < TREE_CHILDREN_MAX; at = end) {
            list[n] = (pid_t) strtol(at, &end, 10);

            if (end == at) {
                break;
            }

            n++;
        }
    }

    if (tasks != NULL) {
        closedir(tasks);
    }

    return n;
}


int
tree_look(pid_t pid, struct process *process)
{
    char  path[64], *at;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    tree_read(path);

    /* the name may hold anything, even ")" */

    at = strrchr(tree_text, ')');

    return at != NULL && sscanf(at, ") %c %d %*d %d %*d %*d %*u %*u %*u %*u "
                                "%*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                                &process->state, &process->parent,
                                &process->session,
                                &process->start_ticks) == 4 ? 0 : -1;
}


/* into tree_text, NUL-terminated; 0 bytes if it cannot be read */

static size_t
tree_read(const char *path)
{
    int      fd;
    size_t   len;
    ssize_t  n;

    len = 0;
    fd = open(path, O_RDONLY | O_CLOEXEC);

    while (fd != -1) {
        n = read(fd, tree_text + len, sizeof(tree_text) - 1 - len);

        if (n <= 0) {
            close(fd);
            break;
        }

        len += (size_t) n;
    }

    tree_text[len] = '\0';

    return len;
}
