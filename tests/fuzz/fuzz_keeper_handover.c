/* SPDX-License-Identifier: MIT */
/*
 * The keeper's parser of what a supervisor hands over.  The first byte chooses
 * how many fds come along, and of which kind; whatever arrives, each is kept
 * by what was made of it or given back, and no process is touched.
 */

#include <fcntl.h>

#include "keeper/handover_message.c"


#define FDS_MAX  (MINT_KEEPER_FDS_MAX + 1)


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static char  root[] = "/c/mint";

struct keeper               keeper;
char                       *cgroup_root[CGROUP_KINDS] = { root };
struct mint_keeper_facts    cgroup_facts;

static volatile long  sink;


static void
check(int is_true)
{
    if (!is_true) {
        abort();
    }
}


/* three answers: alive, dead, none of ours */

int
adopted_open(pid_t pid, uint64_t start_ticks, uid_t uid)
{
    (void) uid;
    check(pid > 1);

    return start_ticks % 3 == 0 ? open("/dev/null", O_RDONLY | O_CLOEXEC)
           : start_ticks % 3 == 1 ? -ESRCH : -EPERM;
}


int
adopted_watch(pid_t pid, int pidfd)
{
    (void) pid;
    check(pidfd >= 0);

    return 0;
}


int
identity_allowed(uint32_t uid, uint32_t gid, uint32_t extra_gid)
{
    (void) gid;
    (void) extra_gid;

    return uid % 2 == 0;
}


uint64_t
keeper_now_ms(void)
{
    return 1;
}


void
keeper_log(const char *level, const char *format, ...)
{
    (void) level;
    (void) format;
}


void
supervisor_send(const void *head, size_t size, const char *const *texts)
{
    (void) head;
    (void) size;
    (void) texts;
}


struct listener *
listener_find(uint32_t id)
{
    return keeper.listeners != NULL && keeper.listeners->id == id
           ? keeper.listeners : NULL;
}


struct child *
child_find(uint32_t id)
{
    return keeper.children != NULL && keeper.children->id == id
           ? keeper.children : NULL;
}


void
child_free(struct child *c)
{
    int  i;

    for (i = 0; i < CHILD_FDS; i++) {
        if (c->fd[i] != -1) {
            check(close(c->fd[i]) == 0);
        }
    }

    if (c->pidfd != -1) {
        check(close(c->pidfd) == 0);
    }

    free(c->label);
    free(c->instance);
    free(c);
}


/* what was made of it, looked at and taken down */

static void
forget(void)
{
    int               kind;
    struct child     *c;
    struct listener  *l;

    while ((c = keeper.children) != NULL) {
        check(c->is_adopted && c->id != 0 && c->pid > 1);
        check(strlen(c->label) < MINT_KEEPER_LABEL_MAX);
        check(c->is_reaped || c->pidfd != -1);

        for (kind = 0; kind < CGROUP_KINDS; kind++) {
            check(c->cgroup.dir[kind] == NULL
                  || (strncmp(c->cgroup.dir[kind], "/c/mint/", 8) == 0
                      && strchr(c->cgroup.dir[kind] + 8, '/') == NULL));
        }

        keeper.children = c->next;
        handover_forget_groups(c);
        child_free(c);
    }

    while ((l = keeper.listeners) != NULL) {
        sink += (long) (strlen(l->asked) + strlen(l->bound)
                        + strlen(l->label));
        check(close(l->fd) == 0);
        keeper.listeners = l->next;
        free(l->asked);
        free(l->bound);
        free(l->label);
        free(l);
    }

    keeper.custody[0] = '\0';
    handover_tell_refused();
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int     i, lowest, fds[FDS_MAX], pair[2];
    char   *copy;
    size_t  count;

    if (size < 1 || size > MINT_KEEPER_MESSAGE_MAX) {
        return 0;
    }

    lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(lowest);

    for (count = 0; count < data[0] % FDS_MAX; count++) {
        if (data[0] & 128) {
            fds[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
            continue;
        }

        check(pipe2(pair, O_CLOEXEC) == 0);
        fds[count] = pair[0];
        close(pair[1]);
    }

    /* a block of its own size, so that reading past it is seen */

    copy = malloc(size);
    memcpy(copy, data + 1, size - 1);
    i = handover_message(copy, size - 1, fds, count);
    check(i >= -1 && i <= 1);
    free(copy);

    while (count > 0) {
        if (fds[--count] != -1) {
            check(close(fds[count]) == 0);
        }
    }

    forget();

    /* all closed: the lowest free number is that of before */

    i = open("/dev/null", O_RDONLY | O_CLOEXEC);
    check(i == lowest);
    close(i);

    return 0;
}
