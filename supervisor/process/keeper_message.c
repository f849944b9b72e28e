/* SPDX-License-Identifier: MIT */
/*
 * One message of the keeper: whether it is as agreed, and what it says.
 */

#include "supervisor/process/keeper_client.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "supervisor/process/keeper_private.h"


static int keeper_message_copy(int fd);
static const char *keeper_message_string(struct keeper_message *m);


/* sizes of what the keeper says, besides strings */
static const size_t  keeper_message_sizes[] = {
    [MINT_KEEPER_LISTENER] = sizeof(struct mint_keeper_listener),
    [MINT_KEEPER_CHILD] = sizeof(struct mint_keeper_child),
    [MINT_KEEPER_EXITED] = sizeof(struct mint_keeper_exited),
    [MINT_KEEPER_ATTACHED] = sizeof(struct mint_keeper_header),
    [MINT_KEEPER_DONE] = sizeof(struct mint_keeper_header),
    [MINT_KEEPER_STOP] = sizeof(struct mint_keeper_header),
    [MINT_KEEPER_FACTS] = sizeof(struct mint_keeper_facts)
};

#define KEEPER_MESSAGE_TYPES \
    (sizeof(keeper_message_sizes) / sizeof(keeper_message_sizes[0]))


int
keeper_message_take_fds(struct keeper_message *m, struct msghdr *head)
{
    size_t           count;
    struct cmsghdr  *c;

    for (c = CMSG_FIRSTHDR(head); c != NULL; c = CMSG_NXTHDR(head, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            memcpy(m->fds + m->fd_count, CMSG_DATA(c), count * sizeof(int));
            m->fd_count += count;
        }
    }

    return head->msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? MINT_ERR_PROTOCOL : 0;
}


int
keeper_message_parse(struct keeper_message *m, const char *data, size_t len)
{
    size_t  size;

    if (len < sizeof(m->header)) {
        return MINT_ERR_PROTOCOL;
    }

    memcpy(&m->header, data, sizeof(m->header));

    if (m->header.version != MINT_KEEPER_VERSION
        || m->header.type >= KEEPER_MESSAGE_TYPES
        || keeper_message_sizes[m->header.type] == 0)
    {
        return MINT_ERR_PROTOCOL;
    }

    /* a refusal is the header alone */

    size = m->header.status != 0 ? sizeof(m->header)
           : keeper_message_sizes[m->header.type];

    if (len < size) {
        return MINT_ERR_PROTOCOL;
    }

    memcpy(m, data, size);
    m->at = data + size;
    m->end = data + len;

    return 0;
}


int
keeper_message_listener(struct keeper_message *m,
    struct keeper_listener_info *info)
{
    info->id = m->header.id;
    info->family = m->listener.family;
    info->address = keeper_message_string(m);
    info->label = keeper_message_string(m);

    if (keeper_message_string(m) == NULL || m->at != m->end || m->fd_count > 1)
    {
        return MINT_ERR_PROTOCOL;
    }

    info->fd = m->fd_count > 0 ? keeper_message_copy(m->fds[0]) : -1;

    return 0;
}


/* the one that came is kept for the next keeper */

static int
keeper_message_copy(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}


int
keeper_message_child(struct keeper_message *m, struct keeper_child_info *info)
{
    int       i;
    size_t    count;
    uint32_t  flags;

    flags = m->child.flags;
    info->id = m->header.id;
    info->flags = flags;
    info->pid = m->child.pid;
    info->exited = m->child.exited != 0;
    info->wait_status = m->child.wait_status;
    info->start_ticks = m->child.start_ticks;
    info->started_unix_ms = m->child.started_unix_ms;
    info->tree_killed = m->child.tree_killed;
    info->oom_kills = m->child.oom_kills;
    info->label = keeper_message_string(m);
    info->memory_group = keeper_message_string(m);

    for (i = 0; i <= MINT_KEEPER_CGROUPS; i++) {
        (void) keeper_message_string(m);
    }

    count = 2 + (flags & MINT_SPAWN_REPORT ? 2 : 0)
            + (flags & MINT_SPAWN_CONTROL ? 2 : 0);

    if (m->at != m->end || (m->fd_count != count && m->fd_count != 0)) {
        return MINT_ERR_PROTOCOL;
    }

    /* none: it was forgotten before this was sent */

    info->log_fd = info->report_fd = info->control_fd = -1;

    if (m->fd_count != 0) {
        info->log_fd = keeper_message_copy(m->fds[0]);
        info->report_fd = flags & MINT_SPAWN_REPORT
                          ? keeper_message_copy(m->fds[2]) : -1;
        info->control_fd = flags & MINT_SPAWN_CONTROL
                           ? keeper_message_copy(m->fds[count - 1]) : -1;
    }

    return 0;
}


int
keeper_message_facts(struct keeper_message *m, struct keeper_facts *facts)
{
    const char  *text, *custody;

    text = keeper_message_string(m);
    custody = keeper_message_string(m);

    if (custody == NULL || m->at != m->end
        || strlen(custody) >= sizeof(facts->custody))
    {
        return MINT_ERR_PROTOCOL;
    }

    facts->memory = m->facts.memory;
    facts->pids = m->facts.pids;
    facts->cpu = m->facts.cpu;
    facts->tree = m->facts.tree;
    facts->landlock_abi = m->facts.landlock_abi;
    snprintf(facts->cgroup, sizeof(facts->cgroup), "%s", text);
    strcpy(facts->custody, custody);

    return 0;
}


static const char *
keeper_message_string(struct keeper_message *m)
{
    const char  *text, *nul;

    text = m->at;
    nul = text != NULL ? memchr(text, '\0', (size_t) (m->end - text)) : NULL;
    m->at = nul != NULL ? nul + 1 : NULL;

    return nul != NULL ? text : NULL;
}
