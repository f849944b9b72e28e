/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets: unix and loopback TCP.  Files are made with the
 * supervisor's own rights, so it cannot have a socket put (or removed) where
 * it could not do so itself; only giving it to another owner is ours.
 */

#include "keeper.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>


union address {
    struct sockaddr      any;
    struct sockaddr_un   local;
    struct sockaddr_in   v4;
    struct sockaddr_in6  v6;
};


static int listener_parse(uint32_t family, const char *text,
    union address *address, socklen_t *len);
static int listener_bind(struct listener *l,
    const struct mint_keeper_listen *m);
static int listener_bind_unix(struct listener *l,
    const struct mint_keeper_listen *m, const union address *address);
static void listener_as_supervisor(int on);
static void listener_free(struct listener *l);


struct listener *
listener_find(uint32_t id)
{
    struct listener  *l;

    for (l = keeper.listeners; l != NULL && l->id != id; l = l->next) {
        /* void */
    }

    return l;
}


/* returns an errno, or -1 when the answer has been sent */

int
listener_open(const struct mint_keeper_listen *m, const char *address,
    const char *label)
{
    int               failed;
    struct listener  *l;

    l = listener_find(m->header.id);

    if (l != NULL) {
        if (l->family != m->family || (strcmp(l->asked, address) != 0
                                       && strcmp(l->bound, address) != 0))
        {
            return EEXIST;
        }

        listener_send(l, m->header.serial);
        return -1;
    }

    l = calloc(1, sizeof(*l));

    if (l == NULL) {
        return ENOMEM;
    }

    l->fd = -1;
    l->id = m->header.id;
    l->family = m->family;
    l->asked = strdup(address);
    l->label = strdup(label);
    failed = l->asked == NULL || l->label == NULL ? ENOMEM
             : listener_bind(l, m);

    if (failed != 0) {
        listener_free(l);
        return failed;
    }

    l->next = keeper.listeners;
    keeper.listeners = l;
    keeper.held++;
    listener_send(l, m->header.serial);

    return -1;
}


static int
listener_bind(struct listener *l, const struct mint_keeper_listen *m)
{
    int            failed, on;
    char           text[INET6_ADDRSTRLEN];
    socklen_t      len;
    union address  address;

    failed = listener_parse(l->family, l->asked, &address, &len);

    if (failed != 0) {
        return failed;
    }

    on = 1;
    l->fd = socket(address.any.sa_family,
                   SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (l->fd == -1 || !keeper_fds_left(l->fd)) {
        return errno;
    }

    if (l->family == MINT_KEEPER_UNIX) {
        failed = listener_bind_unix(l, m, &address);

    } else if (setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on))
               == -1 || bind(l->fd, &address.any, len) == -1)
    {
        failed = errno;
    }

    if (failed != 0) {
        return failed;
    }

    /* the kernel takes somaxconn for more than that */

    if (listen(l->fd, m->backlog == 0 || m->backlog > INT_MAX
               ? INT_MAX : (int) m->backlog) == -1
        || getsockname(l->fd, &address.any, &len) == -1)
    {
        return errno;
    }

    on = l->family == MINT_KEEPER_UNIX ? asprintf(&l->bound, "%s", l->asked)
         : address.any.sa_family == AF_INET
         ? asprintf(&l->bound, "%s:%u",
                    inet_ntop(AF_INET, &address.v4.sin_addr, text,
                              sizeof(text)), ntohs(address.v4.sin_port))
         : asprintf(&l->bound, "[::1]:%u", ntohs(address.v6.sin6_port));

    return on == -1 ? ENOMEM : 0;
}


static int
listener_parse(uint32_t family, const char *text, union address *address,
    socklen_t *len)
{
    char         host[INET_ADDRSTRLEN];
    size_t       digits;
    uint16_t     port;
    const char  *colon;

    memset(address, 0, sizeof(*address));

    if (family == MINT_KEEPER_UNIX) {
        address->local.sun_family = AF_UNIX;
        *len = sizeof(address->local);

        if (text[0] != '/' || strlen(text) >= sizeof(address->local.sun_path)) {
            return text[0] != '/' ? EINVAL : ENAMETOOLONG;
        }

        strcpy(address->local.sun_path, text);
        return 0;
    }

    colon = strrchr(text, ':');
    digits = colon != NULL ? strspn(colon + 1, "0123456789") : 0;

    if (family != MINT_KEEPER_TCP || digits < 1 || digits > 5
        || colon[1 + digits] != '\0' || colon - text >= INET_ADDRSTRLEN
        || atoi(colon + 1) > 65535)
    {
        return EINVAL;
    }

    memcpy(host, text, (size_t) (colon - text));
    host[colon - text] = '\0';
    port = htons((uint16_t) atoi(colon + 1));

    if (strcmp(host, "[::1]") == 0) {
        address->v6.sin6_family = AF_INET6;
        address->v6.sin6_addr = in6addr_loopback;
        address->v6.sin6_port = port;
        *len = sizeof(address->v6);
        return 0;
    }

    address->v4.sin_family = AF_INET;
    address->v4.sin_port = port;
    *len = sizeof(address->v4);

    if (inet_pton(AF_INET, host, &address->v4.sin_addr) != 1) {
        return EINVAL;
    }

    return ntohl(address->v4.sin_addr.s_addr) >> 24 == 127 ? 0 : EPERM;
}


/* the mode is there from the first moment: it comes from the umask */

static int
listener_bind_unix(struct listener *l, const struct mint_keeper_listen *m,
    const union address *address)
{
    int          failed, fd;
    mode_t       saved;
    struct stat  st;

    failed = 0;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    /* what nobody listens on any more is in the way */

    if (lstat(l->asked, &st) == 0
        && (!S_ISSOCK(st.st_mode)
            || connect(fd, &address->any, sizeof(address->local)) == 0
            || errno != ECONNREFUSED))
    {
        failed = EADDRINUSE;
    }

    close(fd);

    if (failed != 0) {
        return failed;
    }

    saved = umask(~m->mode & 0777);
    listener_as_supervisor(1);
    unlink(l->asked);
    failed = bind(l->fd, &address->any, sizeof(address->local)) == -1
             ? errno : 0;
    listener_as_supervisor(0);
    umask(saved);

    if (failed != 0) {
        return failed;
    }

    fd = open(l->asked, O_PATH | O_NOFOLLOW | O_CLOEXEC);

    if (fd == -1 || fstat(fd, &st) == -1) {
        return errno;
    }

    l->inode = st.st_ino;

    if (!S_ISSOCK(st.st_mode)
        || fchownat(fd, "", m->uid, m->gid, AT_EMPTY_PATH) == -1)
    {
        failed = errno;
    }

    close(fd);

    return failed;
}


static void
listener_as_supervisor(int on)
{
    if (keeper.is_root) {
        setfsgid(on ? keeper.supervisor.gid : 0);
        setfsuid(on ? keeper.supervisor.uid : 0);
    }
}


int
listener_close(uint32_t id)
{
    struct listener  *l, **at;

    for (at = &keeper.listeners; *at != NULL; at = &l->next) {
        l = *at;

        if (l->id == id) {
            *at = l->next;
            keeper.held--;
            listener_free(l);
            return 0;
        }
    }

    return ENOENT;
}


static void
listener_free(struct listener *l)
{
    struct stat  st;

    if (l->fd != -1) {
        close(l->fd);
    }

    /* a file of that name may be another's by now */

    if (l->inode != 0 && lstat(l->asked, &st) == 0 && st.st_ino == l->inode) {
        listener_as_supervisor(1);
        unlink(l->asked);
        listener_as_supervisor(0);
    }

    free(l->asked);
    free(l->bound);
    free(l->label);
    free(l);
}


void
listener_send(const struct listener *l, uint32_t serial)
{
    struct mint_keeper_listener  m = {
        .header = {
            MINT_KEEPER_VERSION, MINT_KEEPER_LISTENER, serial, 0, l->id
        },
        .family = l->family
    };

    supervisor_send(&m, sizeof(m), (const char *const []) {
        l->bound, l->label, l->asked, NULL
    });
}
