/* SPDX-License-Identifier: MIT */
/*
 * Requests of the supervisor: each is checked here, sizes, strings and who is
 * asked for, before anything is done.  What is not well-formed is answered
 * with EINVAL.
 */

#include "keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>


#define REQUEST_PERCENT_MAX  100000         /* a thousand CPUs */


struct request {
    union {
        struct mint_keeper_header  header;
        struct mint_keeper_listen  listen;
        struct mint_keeper_spawn   spawn;
        struct mint_keeper_signal  signal;
        struct mint_keeper_path    path;
    };
    char  *at;                              /* strings not taken yet */
    char  *end;
};


static int request_listen(struct request *r);
static int request_unlisten(struct request *r);
static int request_spawn(struct request *r);
static int request_spawn_is_sound(const struct mint_keeper_spawn *m);
static int request_lists(struct request *r, char ***text_out,
    char ***allow_out);
static int request_signal(struct request *r);
static int request_drained(struct request *r);
static int request_path(struct request *r);
static int request_goodbye(struct request *r);
static char *request_string(struct request *r);


/* a handler returns an errno, or -1 when the answer is or will be sent */

static const struct {
    size_t   size;
    int    (*handler)(struct request *r);
    int      answer;
} requests[] = {
    [MINT_KEEPER_LISTEN] = {
        sizeof(struct mint_keeper_listen), request_listen,
        MINT_KEEPER_LISTENER
    },
    [MINT_KEEPER_UNLISTEN] = {
        sizeof(struct mint_keeper_header), request_unlisten, MINT_KEEPER_DONE
    },
    [MINT_KEEPER_SPAWN] = {
        sizeof(struct mint_keeper_spawn), request_spawn, MINT_KEEPER_CHILD
    },
    [MINT_KEEPER_SIGNAL] = {
        sizeof(struct mint_keeper_signal), request_signal, MINT_KEEPER_DONE
    },
    [MINT_KEEPER_DRAINED] = {
        sizeof(struct mint_keeper_header), request_drained, MINT_KEEPER_DONE
    },
    [MINT_KEEPER_WIPE] = {
        sizeof(struct mint_keeper_path), request_path, MINT_KEEPER_DONE
    },
    [MINT_KEEPER_OWN] = {
        sizeof(struct mint_keeper_path), request_path, MINT_KEEPER_DONE
    },
    [MINT_KEEPER_GOODBYE] = {
        sizeof(struct mint_keeper_header), request_goodbye, MINT_KEEPER_DONE
    },
};

#define REQUEST_COUNT  (sizeof(requests) / sizeof(requests[0]))


void
request_handle(char *data, size_t len)
{
    int             status, answer;
    struct request  r = { 0 };

    status = EINVAL;
    answer = MINT_KEEPER_DONE;

    if (len >= sizeof(r.header)) {
        memcpy(&r.header, data, sizeof(r.header));
    }

    if (r.header.version == MINT_KEEPER_VERSION
        && r.header.type < REQUEST_COUNT
        && requests[r.header.type].handler != NULL)
    {
        answer = requests[r.header.type].answer;

        if (len >= requests[r.header.type].size) {
            memcpy(&r, data, requests[r.header.type].size);
            r.at = data + requests[r.header.type].size;
            r.end = data + len;
            status = requests[r.header.type].handler(&r);
        }
    }

    if (status != -1) {
        supervisor_say(answer, r.header.serial, status, r.header.id);
    }
}


static int
request_listen(struct request *r)
{
    const char                       *address, *label;
    const struct mint_keeper_listen  *m;

    m = &r->listen;
    address = request_string(r);
    label = request_string(r);

    if (label == NULL || r->at != r->end || m->header.id == 0
        || m->mode > 0777 || strlen(label) >= MINT_KEEPER_LABEL_MAX)
    {
        return EINVAL;
    }

    if (m->family == MINT_KEEPER_UNIX && !identity_allowed(m->uid, m->gid, 0)) {
        return EPERM;
    }

    return listener_open(m, address, label);
}


static int
request_unlisten(struct request *r)
{
    return r->at == r->end ? listener_close(r->header.id) : EINVAL;
}


static int
request_spawn(struct request *r)
{
    int                        failed;
    char                     **text, **allow;
    const char                *label, *cwd;
    struct mint_keeper_spawn  *m;

    m = &r->spawn;
    label = request_string(r);
    cwd = request_string(r);

    if (cwd == NULL || !request_spawn_is_sound(m)
        || strlen(label) >= MINT_KEEPER_LABEL_MAX
        || cwd[0] != '/' || r->at == r->end || r->at[0] != '/')
    {
        return EINVAL;
    }

    failed = request_lists(r, &text, &allow);

    m->uid = m->uid == UINT32_MAX ? geteuid() : m->uid;
    m->gid = m->gid == UINT32_MAX ? getegid() : m->gid;

    if (failed == 0 && r->at != r->end) {
        failed = EINVAL;
    }

    if (failed == 0 && !identity_allowed(m->uid, m->gid, m->extra_gid)) {
        failed = EPERM;
    }

    if (failed == 0 && (child_find(m->header.id) != NULL
                        || warm_is_expected(m->header.id)))
    {
        failed = EEXIST;
    }

    if (failed == 0) {
        failed = child_spawn(m, label, cwd, text, text + m->argc + 1, allow);
    }

    free(text);

    return failed == 0 ? -1 : failed;
}


/* arguments, environment, allow[]: three lists in one, a NULL behind each;
   our mark is the last of the environment */

static int
request_lists(struct request *r, char ***text_out, char ***allow_out)
{
    int      failed;
    char   **text, **allow;
    size_t   i, count, mark, env_end;

    mark = r->spawn.argc + 1 + r->spawn.envc;
    env_end = mark + (keeper.mark != NULL);
    count = env_end + 1 + r->spawn.allow_count;
    text = calloc(count + 1, sizeof(*text));
    *text_out = text;

    if (text == NULL) {
        return ENOMEM;
    }

    failed = 0;
    allow = text + env_end + 1;

    for (i = 0; i < count && failed == 0; i++) {
        if (i == mark && i != env_end) {
            text[i] = keeper.mark;

        } else if (i != r->spawn.argc && i != env_end) {
            text[i] = request_string(r);
            failed = text[i] == NULL ? EINVAL : 0;
        }
    }

    for (i = 0; i < r->spawn.allow_count && failed == 0; i++) {
        failed = sandbox_is_entry(allow[i]) ? 0 : EINVAL;
    }

    *allow_out = allow;

    return failed;
}


/* each string has a NUL at least: the message bounds the counts */

static int
request_spawn_is_sound(const struct mint_keeper_spawn *m)
{
    return m->header.id != 0 && !(m->flags & ~KEEPER_SPAWN_FLAGS)
           && (m->warm_id == 0 || !(m->flags & MINT_SPAWN_WARM))
           && m->reserved == 0 && m->allow_count <= MINT_KEEPER_MESSAGE_MAX
           && (m->allow_count == 0 || m->flags & MINT_SPAWN_SANDBOX)
           && m->cpu_percent <= REQUEST_PERCENT_MAX
           && m->umask <= 0777 && m->argc != 0
           && m->argc <= MINT_KEEPER_MESSAGE_MAX
           && m->envc <= MINT_KEEPER_MESSAGE_MAX
           && m->listener_count <= MINT_KEEPER_LISTENERS_MAX;
}


static int
request_signal(struct request *r)
{
    if (r->at != r->end || r->signal.signal < 1 || r->signal.signal >= NSIG) {
        return EINVAL;
    }

    return child_signal(r->header.id, r->signal.signal);
}


static int
request_drained(struct request *r)
{
    return r->at == r->end ? child_forget(r->header.id) : EINVAL;
}


static int
request_path(struct request *r)
{
    const char  *path;

    path = request_string(r);

    if (path == NULL || r->at != r->end || r->path.mode > 0777) {
        return EINVAL;
    }

    if (r->header.type == MINT_KEEPER_WIPE) {
        return path_wipe(&r->header, path);
    }

    return identity_allowed(r->path.uid, r->path.gid, 0)
           ? path_own(&r->path, path) : EPERM;
}


static int
request_goodbye(struct request *r)
{
    if (r->at != r->end || r->header.status < 0 || r->header.status > 125) {
        return EINVAL;
    }

    supervisor_say(MINT_KEEPER_DONE, r->header.serial, 0, 0);
    keeper_finish(r->header.status, KEEPER_GOODBYE_MS);
}


static char *
request_string(struct request *r)
{
    char  *text, *nul;

    text = r->at;
    nul = text != NULL ? memchr(text, '\0', (size_t) (r->end - text)) : NULL;
    r->at = nul != NULL ? nul + 1 : NULL;

    return nul != NULL ? text : NULL;
}
