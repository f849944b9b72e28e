/* SPDX-License-Identifier: MIT */
/*
 * Connections that no process will accept are accepted, answered with 503 and
 * ended in order: what the client goes on to send is read, or it would be told
 * of a broken connection instead of the answer.
 */

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/text.h"
#include "refuser.h"


#define REFUSER_AT_ONCE      1024   /* the rest stays until some are done */
#define REFUSER_TIMEOUT_SEC  10
#define REFUSER_ID_MAX       64


struct refuser_client {
    struct refuser         *owner;
    struct refuser_client  *next;
    struct bufferevent     *bev;
    struct refusal          refusal;
    char                   *plugin;
    char                   *why;
    bool                    is_answered;
};


/* ---- the answer ---------------------------------------------------- */

static const char *
refuser_head_end(const char *data, size_t len)
{
    return memmem(data, len, "\r\n\r\n", 4);
}


bool
refuser_has_head(const char *data, size_t len)
{
    return len >= REFUSER_HEAD_MAX || refuser_head_end(data, len) != NULL;
}


/* the value of the header, NULL if the request has none */

static const char *
refuser_header(const char *head, size_t len, const char *name,
    size_t *value_len)
{
    size_t       name_len;
    const char  *p, *end, *line_end;

    end = head + len;
    name_len = strlen(name);

    for (p = memchr(head, '\n', len); p != NULL; p = line_end) {
        p++;

        line_end = memchr(p, '\n', (size_t) (end - p));

        if (line_end == NULL) {
            return NULL;            /* incomplete */
        }

        if ((size_t) (line_end - p) > name_len && p[name_len] == ':'
            && strncasecmp(p, name, name_len) == 0)
        {
            p += name_len + 1;

            while (p < line_end && (*p == ' ' || *p == '\t')) {
                p++;
            }

            *value_len = (size_t) (line_end - p);

            if (*value_len > 0 && p[*value_len - 1] == '\r') {
                (*value_len)--;
            }

            return p;
        }
    }

    return NULL;
}


/* a navigation of a browser; everything else reads JSON */

static bool
refuser_wants_page(const char *head, size_t len)
{
    size_t       value_len;
    const char  *value;

    if (len < 4 || memcmp(head, "GET ", 4) != 0) {
        return false;
    }

    value = refuser_header(head, len, "Accept", &value_len);

    return value != NULL && value_len >= 9
           && strncasecmp(value, "text/html", 9) == 0;
}


static void
refuser_page(struct strbuf *out, const struct refusal *refusal)
{
    strbuf_printf(out,
        "<!doctype html><meta charset=utf-8><meta http-equiv=refresh "
        "content=%u><title>Service Unavailable</title><p>Plugin \"%s\" %s. "
        "This page tries again by itself.</p>\n",
        refusal->retry_after_sec, refusal->plugin, refusal->why);
}


static void
refuser_problem(struct strbuf *out, const struct refusal *refusal,
    const char *id, size_t id_len)
{
    struct strbuf  detail = { 0 }, where = { 0 };

    strbuf_puts(&detail, "plugin \\\"");
    text_json(&detail, refusal->plugin, strlen(refusal->plugin));
    strbuf_puts(&detail, "\\\" ");
    text_json(&detail, refusal->why, strlen(refusal->why));

    strbuf_puts(&where, "\"plugin\":\"");
    text_json(&where, refusal->plugin, strlen(refusal->plugin));
    strbuf_printf(&where, "\",\"state\":\"%s\",\"cause\":\"%s\"",
                  refusal->state, refusal->cause);

    strbuf_printf(out, "{\"type\":\"about:blank\",\"title\":\"Service "
        "Unavailable\",\"status\":503,\"detail\":\"%s\",\"code\":"
        "\"service.unavailable\",\"message\":\"%s\",\"request_id\":\"",
        detail.data, detail.data);
    text_json(out, id, id_len);
    strbuf_printf(out, "\",%s,\"details\":{%s}}\n", where.data, where.data);

    strbuf_free(&detail);
    strbuf_free(&where);
}


void
refuser_answer(struct strbuf *out, const char *head, size_t len,
    const struct refusal *refusal)
{
    bool           is_page;
    size_t         id_len;
    const char    *id, *end;
    struct strbuf  body = { 0 };

    end = refuser_head_end(head, len);

    if (end != NULL) {
        len = (size_t) (end - head) + 2;
    }

    id_len = 0;
    id = refuser_header(head, len, "X-Request-ID", &id_len);

    if (id == NULL || id_len > REFUSER_ID_MAX) {
        id_len = 0;
    }

    is_page = refuser_wants_page(head, len);

    if (is_page) {
        refuser_page(&body, refusal);

    } else {
        refuser_problem(&body, refusal, id_len > 0 ? id : "", id_len);
    }

    strbuf_printf(out, "HTTP/1.1 503 Service Unavailable\r\n"
        "Content-Type: %s\r\nContent-Length: %zu\r\nRetry-After: %u\r\n"
        "Cache-Control: no-store\r\nVary: Accept\r\nConnection: close\r\n\r\n",
        is_page ? "text/html; charset=utf-8" : "application/problem+json",
        body.len, refusal->retry_after_sec);
    strbuf_append(out, body.data, body.len);
    strbuf_free(&body);
}


/* ---- connections --------------------------------------------------- */

static void
refuser_client_free(struct refuser_client *client)
{
    struct refuser_client  **p;

    for (p = &client->owner->clients; *p != NULL; p = &(*p)->next) {
        if (*p == client) {
            *p = client->next;
            client->owner->count--;
            break;
        }
    }

    bufferevent_free(client->bev);
    free(client->plugin);
    free(client->why);
    free(client);
}


static void
refuser_on_read(struct bufferevent *bev, void *ctx)
{
    size_t                  len;
    const char             *data;
    struct strbuf           answer = { 0 };
    struct evbuffer        *input;
    struct refuser_client  *client;

    client = ctx;
    input = bufferevent_get_input(bev);

    if (!client->is_answered) {
        len = evbuffer_get_length(input);
        len = len < REFUSER_HEAD_MAX ? len : REFUSER_HEAD_MAX;
        data = (const char *) evbuffer_pullup(input, (ssize_t) len);

        if (data == NULL || !refuser_has_head(data, len)) {
            return;
        }

        client->is_answered = true;
        refuser_answer(&answer, data, len, &client->refusal);
        bufferevent_write(bev, answer.data, answer.len);
        strbuf_free(&answer);
    }

    evbuffer_drain(input, evbuffer_get_length(input));
}


static void
refuser_on_written(struct bufferevent *bev, void *ctx)
{
    const struct refuser_client  *client;

    client = ctx;

    if (client->is_answered) {
        shutdown(bufferevent_getfd(bev), SHUT_WR);
    }
}


static void
refuser_on_event(struct bufferevent *bev, short what, void *ctx)
{
    (void) bev;
    (void) what;

    refuser_client_free(ctx);
}


static bool
refuser_take(struct refuser *refuser, struct event_base *base, int fd,
    const struct refusal *refusal)
{
    struct timeval          limit = { REFUSER_TIMEOUT_SEC, 0 };
    struct bufferevent     *bev;
    struct refuser_client  *client;

    bev = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);

    if (bev == NULL) {
        close(fd);
        return false;
    }

    client = mem_alloc(sizeof(struct refuser_client));
    client->owner = refuser;
    client->bev = bev;
    client->refusal = *refusal;
    client->plugin = mem_strdup(refusal->plugin);
    client->refusal.plugin = client->plugin;
    client->why = mem_strdup(refusal->why);
    client->refusal.why = client->why;

    client->next = refuser->clients;
    refuser->clients = client;
    refuser->count++;

    bufferevent_setcb(bev, refuser_on_read, refuser_on_written,
                      refuser_on_event, client);
    bufferevent_set_timeouts(bev, &limit, &limit);
    bufferevent_enable(bev, EV_READ | EV_WRITE);

    return true;
}


size_t
refuser_accept(struct refuser *refuser, struct event_base *base,
    int listener_fd, const struct refusal *refusal)
{
    int     fd;
    size_t  count;

    count = 0;

    while (refuser->count < REFUSER_AT_ONCE) {
        fd = accept4(listener_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd == -1) {
            if (errno == EINTR || errno == ECONNABORTED) {
                continue;
            }

            if (errno != EAGAIN) {
                log_warn("requests to plugin \"%s\" cannot be refused: %s",
                         refusal->plugin, strerror(errno));
            }

            break;
        }

        if (refuser_take(refuser, base, fd, refusal)) {
            count++;
        }
    }

    return count;
}


void
refuser_clear(struct refuser *refuser)
{
    while (refuser->clients != NULL) {
        refuser_client_free(refuser->clients);
    }
}
