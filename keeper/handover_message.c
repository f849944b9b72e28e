/* SPDX-License-Identifier: MIT */
/*
 * One message of a hand-over: checked, and made a listener or a child again.
 */

#include "keeper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handover_private.h"


#define HANDOVER_REFUSED_MAX  1024


/* one message; strings not taken yet */
struct given {
    union {
        struct mint_keeper_header    header;
        struct mint_keeper_listener  listener;
        struct mint_keeper_child     child;
    };
    char    *at;
    char    *end;
    int     *fds;
    size_t   fd_count;
};


static int handover_custody(struct given *g);
static int handover_listener(struct given *g);
static int handover_child(struct given *g);
static int handover_given(struct given *g);
static int handover_is_sound(const struct given *g);
static void handover_place_fds(struct given *g, struct child *c);
static int handover_fds_of(uint32_t flags);
static int handover_is(int fd, mode_t kind);
static int handover_groups(struct given *g, struct child *c);
static void handover_find(struct child *c, uint32_t is_dead);
static const char *handover_string(struct given *g);


static const struct {
    size_t   size;
    int    (*handler)(struct given *g);
} messages[] = {
    [MINT_KEEPER_CUSTODY] = {
        sizeof(struct mint_keeper_header), handover_custody
    },
    [MINT_KEEPER_LISTENER] = {
        sizeof(struct mint_keeper_listener), handover_listener
    },
    [MINT_KEEPER_CHILD] = {
        sizeof(struct mint_keeper_child), handover_child
    },
    [MINT_KEEPER_GIVEN] = {
        sizeof(struct mint_keeper_header), handover_given
    },
};

#define MESSAGES  (sizeof(messages) / sizeof(messages[0]))

static uint32_t  refused[HANDOVER_REFUSED_MAX];
static size_t    refused_count;


int
handover_message(char *data, size_t len, int *fds, size_t fd_count)
{
    size_t        size;
    struct given  g = { .fds = fds, .fd_count = fd_count };

    if (len < sizeof(g.header)) {
        return -1;
    }

    memcpy(&g.header, data, sizeof(g.header));

    if (g.header.version != MINT_KEEPER_VERSION || g.header.type >= MESSAGES
        || messages[g.header.type].handler == NULL)
    {
        return -1;
    }

    size = messages[g.header.type].size;

    if (len < size) {
        return -1;
    }

    memcpy(&g, data, size);
    g.at = data + size;
    g.end = data + len;

    return messages[g.header.type].handler(&g);
}


static int
handover_custody(struct given *g)
{
    const char  *id;

    id = handover_string(g);

    if (id == NULL || g->at != g->end || g->fd_count != 0
        || strlen(id) != MINT_KEEPER_CUSTODY_LEN
        || strspn(id, "0123456789abcdef") != MINT_KEEPER_CUSTODY_LEN)
    {
        return -1;
    }

    strcpy(keeper.custody, id);

    return 0;
}


static int
handover_given(struct given *g)
{
    return g->at == g->end && g->fd_count == 0 && keeper.custody[0] != '\0'
           ? 1 : -1;
}


static int
handover_listener(struct given *g)
{
    int               is_listening;
    socklen_t         len;
    const char       *bound, *label, *asked;
    struct stat       st;
    struct listener  *l;

    bound = handover_string(g);
    label = handover_string(g);
    asked = handover_string(g);
    is_listening = 0;
    len = sizeof(is_listening);

    if (asked == NULL || g->at != g->end || g->header.id == 0
        || g->fd_count != 1 || listener_find(g->header.id) != NULL
        || (g->listener.family != MINT_KEEPER_UNIX
            && g->listener.family != MINT_KEEPER_TCP)
        || strlen(label) >= MINT_KEEPER_LABEL_MAX
        || getsockopt(g->fds[0], SOL_SOCKET, SO_ACCEPTCONN, &is_listening,
                      &len) == -1
        || !is_listening)
    {
        return -1;
    }

    l = calloc(1, sizeof(*l));

    if (l == NULL) {
        return -1;
    }

    l->id = g->header.id;
    l->family = g->listener.family;
    l->fd = g->fds[0];
    l->asked = strdup(asked);
    l->bound = strdup(bound);
    l->label = strdup(label);
    l->inode = l->family == MINT_KEEPER_UNIX && lstat(asked, &st) == 0
               && S_ISSOCK(st.st_mode) ? st.st_ino : 0;
    g->fds[0] = -1;
    l->next = keeper.listeners;
    keeper.listeners = l;
    keeper.held++;

    return l->asked != NULL && l->bound != NULL && l->label != NULL ? 0 : -1;
}


static int
handover_child(struct given *g)
{
    const char    *label, *instance;
    struct child  *c;

    label = handover_string(g);
    (void) handover_string(g);
    instance = handover_string(g);

    if (instance == NULL || !handover_is_sound(g)
        || strlen(label) >= MINT_KEEPER_LABEL_MAX
        || (*instance != '\0' && strncmp(instance, "MINT_INSTANCE=", 14) != 0))
    {
        return -1;
    }

    c = calloc(1, sizeof(*c));

    if (c == NULL) {
        return -1;
    }

    c->is_adopted = 1;
    c->warm_fd = c->pidfd = -1;
    c->wait_status = g->child.exited ? g->child.wait_status
                     : MINT_KEEPER_STATUS_UNKNOWN;
    c->tree_killed = g->child.tree_killed;
    c->oom_kills = g->child.oom_kills;
    c->id = g->header.id;
    c->flags = g->child.flags;
    c->uid = g->child.uid;
    c->pid = g->child.pid;
    c->start_ticks = g->child.start_ticks;
    c->started_unix_ms = g->child.started_unix_ms;
    c->label = strdup(label);
    c->instance = *instance != '\0' ? strdup(instance) : NULL;
    handover_place_fds(g, c);

    if (c->label == NULL || handover_groups(g, c) == -1) {
        handover_forget_groups(c);
        child_free(c);
        return -1;
    }

    handover_find(c, g->child.exited);

    return 0;
}


static int
handover_is_sound(const struct given *g)
{
    size_t               i;
    const struct child  *c;

    for (i = 0; i < g->fd_count; i++) {
        if (!handover_is(g->fds[i], S_IFIFO)) {
            return 0;
        }
    }

    for (c = keeper.children; c != NULL; c = c->next) {
        if (c->pid == g->child.pid && !c->is_reaped) {
            return 0;
        }
    }

    return g->header.id != 0 && !(g->child.flags & ~KEEPER_SPAWN_FLAGS)
           && g->child.pid > 1 && g->child.reserved == 0
           && child_find(g->header.id) == NULL
           && g->fd_count == (size_t) handover_fds_of(g->child.flags);
}


static int
handover_fds_of(uint32_t flags)
{
    return 2 + (flags & MINT_SPAWN_REPORT ? 2 : 0)
           + (flags & MINT_SPAWN_CONTROL ? 2 : 0);
}


static int
handover_is(int fd, mode_t kind)
{
    struct stat  st;

    return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == kind;
}


static void
handover_place_fds(struct given *g, struct child *c)
{
    int     i;
    size_t  n;

    n = 0;

    for (i = 0; i < CHILD_FDS; i++) {
        c->fd[i] = -1;

        if ((i / 2 == REPORT_READ / 2 && !(c->flags & MINT_SPAWN_REPORT))
            || (i / 2 == CONTROL_READ / 2 && !(c->flags & MINT_SPAWN_CONTROL)))
        {
            continue;
        }

        c->fd[i] = g->fds[n];
        g->fds[n++] = -1;
    }
}


/* directories right below those that we have found to be ours */

static int
handover_groups(struct given *g, struct child *c)
{
    int          kind;
    size_t       len;
    const char  *dir, *name;

    for (kind = 0; kind < CGROUP_KINDS; kind++) {
        dir = handover_string(g);

        if (dir == NULL) {
            return -1;
        }

        len = cgroup_root[kind] != NULL ? strlen(cgroup_root[kind]) : 0;

        if (*dir == '\0' || len == 0 || strncmp(dir, cgroup_root[kind], len)
            != 0 || dir[len] != '/')
        {
            continue;
        }

        name = dir + len + 1;

        if (*name == '\0' || *name == '.' || strchr(name, '/') != NULL) {
            return -1;
        }

        c->cgroup.dir[kind] = strdup(dir);
    }

    return g->at == g->end ? 0 : -1;
}


/* alive, dead, or none that we may have: that one is not kept */

static void
handover_find(struct child *c, uint32_t is_dead)
{
    int  fd;

    fd = is_dead ? -ESRCH : adopted_open(c->pid, c->start_ticks, c->uid);

    if (fd == -EPERM
        || (fd < 0 && !identity_allowed(c->uid, UINT32_MAX, 0)))
    {
        keeper_log("error", "pid %d (\"%s\") is claimed, but none of ours",
                   c->pid, c->label);

        if (refused_count < HANDOVER_REFUSED_MAX) {
            refused[refused_count++] = c->id;
        }

        handover_forget_groups(c);
        child_free(c);
        return;
    }

    c->pidfd = fd < 0 ? -1 : fd;

    if (fd < 0 || adopted_watch(c->pid, fd) != 0) {
        c->is_reaped = 1;
        c->tree_deadline_ms = keeper_now_ms() + KEEPER_TREE_MS;
    }

    c->next = keeper.children;
    keeper.children = c;
    keeper.held++;
}


void
handover_tell_refused(void)
{
    size_t                     i;
    struct mint_keeper_exited  m = {
        .header = { MINT_KEEPER_VERSION, MINT_KEEPER_EXITED, 0, 0, 0 },
        .wait_status = MINT_KEEPER_STATUS_UNKNOWN
    };

    for (i = 0; i < refused_count; i++) {
        m.header.id = refused[i];
        supervisor_send(&m, sizeof(m), NULL);
    }

    refused_count = 0;
}


void
handover_forget_groups(struct child *c)
{
    int  kind;

    for (kind = 0; kind < CGROUP_KINDS; kind++) {
        free(c->cgroup.dir[kind]);
        c->cgroup.dir[kind] = NULL;
    }
}


static const char *
handover_string(struct given *g)
{
    char  *text, *nul;

    text = g->at;
    nul = text != NULL ? memchr(text, '\0', (size_t) (g->end - text)) : NULL;
    g->at = nul != NULL ? nul + 1 : NULL;

    return nul != NULL ? text : NULL;
}
