/* SPDX-License-Identifier: MIT */
/*
 * Connections of the admin socket: lines in, calls to the operations, lines
 * out.  A call may be answered long after its connection has gone: it then
 * only knows that nobody listens.
 */

#include <event2/buffer.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "contract/mint_admin.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "lib/text.h"
#include "server_private.h"


#define ADMIN_OUTPUT_MAX  (8 * 1024 * 1024)
#define ADMIN_CALLS_MAX   64            /* under way on one connection */


struct admin_call {
    struct admin_connection  *connection;   /* NULL once it has gone */
    json_int_t                id;
    struct admin_call        *next;         /* of the connection */
    void                    (*gone)(void *ctx);     /* or NULL */
    void                     *gone_ctx;
};


static void admin_readable(struct bufferevent *bev, void *ctx);
static void admin_written(struct bufferevent *bev, void *ctx);
static void admin_happened(struct bufferevent *bev, short events, void *ctx);
static char *admin_next_line(struct admin_connection *c, size_t *len);
static void admin_line(struct admin_connection *c, const char *line,
    size_t len);
static void admin_dispatch(struct admin_connection *c, json_int_t id,
    json_t *request);
static void admin_unknown(struct admin_connection *c, json_int_t id,
    const char *name);
static void admin_refuse(struct admin_connection *c, json_t *id,
    enum mint_err code, const char *text);
static void admin_send(struct admin_connection *c, json_t *message);
static void admin_end(struct admin_connection *c);
static void admin_drop(struct admin_connection *c);
static void admin_call_free(struct admin_call *call);


void
admin_connection_start(struct admin_connection *c)
{
    bufferevent_setcb(c->bev, admin_readable, admin_written, admin_happened,
                      c);
    bufferevent_setwatermark(c->bev, EV_READ, 0, MINT_ADMIN_LINE_MAX + 1);
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}


void
admin_connection_free(struct admin_connection *c)
{
    struct admin_call  *call;

    for (call = c->calls; call != NULL; call = call->next) {
        call->connection = NULL;
    }

    bufferevent_free(c->bev);
    free(c);
}


void
admin_connection_turn_away(struct admin_connection *c, enum mint_err code,
    const char *text)
{
    admin_refuse(c, json_null(), code, text);
    admin_end(c);
}


void
admin_reply(struct admin_call *call, json_t *result)
{
    if (result == NULL) {
        result = json_object();
    }

    if (call->connection == NULL) {
        json_decref(result);

    } else {
        admin_send(call->connection,
                   json_pack("{s:I,s:b,s:o}", "id", call->id, "ok", 1,
                             "result", result));
    }

    admin_call_free(call);
}


void
admin_fail(struct admin_call *call, const struct error *err)
{
    if (call->connection != NULL) {
        admin_refuse(call->connection, json_integer(call->id),
                     (enum mint_err) err->code, err->text);
    }

    admin_call_free(call);
}


void
admin_progress(struct admin_call *call, const char *text)
{
    char  *clean;

    if (call->connection == NULL) {
        return;
    }

    clean = mem_strdup(text);
    text_clean(clean);
    admin_send(call->connection,
               json_pack("{s:I,s:s}", "id", call->id, "progress", clean));
    free(clean);
}


bool
admin_call_alive(const struct admin_call *call)
{
    return call->connection != NULL;
}


void
admin_call_watch(struct admin_call *call, void (*gone)(void *ctx), void *ctx)
{
    call->gone = gone;
    call->gone_ctx = ctx;
}


static void
admin_readable(struct bufferevent *bev, void *ctx)
{
    char                     *line;
    size_t                    len;
    struct admin_connection  *c;

    (void) bev;

    c = ctx;

    while (!c->is_dead && !c->is_ending) {
        line = admin_next_line(c, &len);
        if (line == NULL) {
            break;
        }

        admin_line(c, line, len);

        /* it may have carried keys */
        explicit_bzero(line, len);
        free(line);
    }

    if (!c->is_dead && !c->is_ending
        && evbuffer_get_length(bufferevent_get_input(c->bev))
           > MINT_ADMIN_LINE_MAX)
    {
        admin_refuse(c, json_null(), MINT_ERR_INVALID,
                     "a request line is longer than 4 MiB");
        admin_end(c);
    }
}


static void
admin_written(struct bufferevent *bev, void *ctx)
{
    struct admin_connection  *c;

    (void) bev;

    c = ctx;

    if (c->is_ending && c->calls == NULL) {
        admin_drop(c);
    }
}


static void
admin_happened(struct bufferevent *bev, short events, void *ctx)
{
    struct pollfd             poll_fd;
    struct admin_connection  *c;

    c = ctx;

    if (events & BEV_EVENT_EOF) {
        poll_fd.fd = bufferevent_getfd(bev);
        poll_fd.events = 0;

        /* a peer that only will not ask any more still wants its answers */
        if (poll(&poll_fd, 1, 0) == 0) {
            admin_end(c);
            return;
        }
    }

    if (events & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) {
        admin_drop(c);
    }
}


/* the next line without its end, to be freed; NULL if it is not whole yet */

static char *
admin_next_line(struct admin_connection *c, size_t *len)
{
    char                *line;
    size_t               end_len;
    struct evbuffer     *input;
    struct evbuffer_ptr  from, end;

    input = bufferevent_get_input(c->bev);

    if (evbuffer_ptr_set(input, &from, c->scanned, EVBUFFER_PTR_SET) == -1) {
        return NULL;
    }

    end = evbuffer_search_eol(input, &from, &end_len, EVBUFFER_EOL_LF);
    if (end.pos == -1) {
        c->scanned = evbuffer_get_length(input);
        return NULL;
    }

    c->scanned = 0;
    *len = (size_t) end.pos;
    line = mem_alloc(*len + 1);
    evbuffer_remove(input, line, *len);
    evbuffer_drain(input, end_len);

    return line;
}


static void
admin_line(struct admin_connection *c, const char *line, size_t len)
{
    json_t        *request, *id;
    json_error_t   why;
    char          *text;

    if (len == 0) {
        return;
    }

    request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &why);
    if (request == NULL) {
        text = mem_printf("the request is not JSON: %s at byte %d", why.text,
                          why.position);
        admin_refuse(c, json_null(), MINT_ERR_INVALID, text);
        free(text);
        return;
    }

    id = json_object_get(request, "id");

    if (!json_is_integer(id)) {
        admin_refuse(c, json_null(), MINT_ERR_INVALID,
                     "a request is an object with an integer \"id\" and an "
                     "\"op\"");

    } else {
        admin_dispatch(c, json_integer_value(id), request);
    }

    json_decref(request);
}


static void
admin_dispatch(struct admin_connection *c, json_int_t id, json_t *request)
{
    const char                    *name;
    struct admin_call             *call;
    const struct admin_operation  *operation;

    name = json_string_value(json_object_get(request, "op"));
    if (name == NULL) {
        admin_refuse(c, json_integer(id), MINT_ERR_INVALID,
                     "\"op\" must be the name of an operation");
        return;
    }

    for (operation = c->server->operations; operation->name != NULL;
         operation++)
    {
        if (strcmp(operation->name, name) == 0) {
            break;
        }
    }

    if (operation->name == NULL) {
        admin_unknown(c, id, name);
        return;
    }

    if (operation->who == ADMIN_PLATFORM
        && (c->server->platform_pid == 0
            || c->pid != c->server->platform_pid))
    {
        log_warn("operation \"%s\" of pid %d refused: it is not mint-platform",
                 name, (int) c->pid);
        admin_refuse(c, json_integer(id), MINT_ERR_FORBIDDEN,
                     "only the mint-platform process that the supervisor "
                     "started may do this");
        return;
    }

    if (c->call_count == ADMIN_CALLS_MAX) {
        admin_refuse(c, json_integer(id), MINT_ERR_BUSY,
                     "too many requests under way on one connection");
        return;
    }

    call = mem_alloc(sizeof(*call));
    call->connection = c;
    call->id = id;
    call->next = c->calls;
    c->calls = call;
    c->call_count++;

    operation->handler(c->server->ctx, call, request);
}


static void
admin_unknown(struct admin_connection *c, json_int_t id, const char *name)
{
    struct strbuf                  text;
    const struct admin_operation  *operation;

    memset(&text, 0, sizeof(text));
    strbuf_printf(&text, "there is no operation \"%.64s\"; there are", name);

    for (operation = c->server->operations; operation->name != NULL;
         operation++)
    {
        strbuf_printf(&text, "%s %s",
                      operation == c->server->operations ? "" : ",",
                      operation->name);
    }

    admin_refuse(c, json_integer(id), MINT_ERR_NOT_FOUND, strbuf_text(&text));
    strbuf_free(&text);
}


/* id is taken over */

static void
admin_refuse(struct admin_connection *c, json_t *id, enum mint_err code,
    const char *text)
{
    char  *clean;

    clean = mem_strdup(text);
    text_clean(clean);
    admin_send(c, json_pack("{s:o,s:b,s:{s:s,s:s}}", "id", id, "ok", 0,
                            "error", "code", error_code_name(code), "message",
                            clean));
    free(clean);
}


/* message is taken over */

static void
admin_send(struct admin_connection *c, json_t *message)
{
    char             *text;
    struct evbuffer  *output;

    text = NULL;
    if (message != NULL) {
        text = json_dumps(message, JSON_COMPACT);
        json_decref(message);
    }

    if (text == NULL) {
        log_error("an answer on the admin socket cannot be written as JSON");
        admin_drop(c);
        return;
    }

    if (c->is_dead) {
        free(text);
        return;
    }

    output = bufferevent_get_output(c->bev);
    evbuffer_add(output, text, strlen(text));
    evbuffer_add(output, "\n", 1);
    explicit_bzero(text, strlen(text));
    free(text);

    if (evbuffer_get_length(output) > ADMIN_OUTPUT_MAX) {
        log_warn("admin connection of pid %d closed: it does not read its "
                 "answers", (int) c->pid);
        admin_drop(c);
    }
}


/* no more requests; closed when the answers are out */

static void
admin_end(struct admin_connection *c)
{
    if (c->is_dead) {
        return;
    }

    c->is_ending = true;
    bufferevent_disable(c->bev, EV_READ);
    bufferevent_enable(c->bev, EV_WRITE);

    if (c->calls == NULL
        && evbuffer_get_length(bufferevent_get_output(c->bev)) == 0)
    {
        admin_drop(c);
    }
}


/* frees it outside of whatever is running now */

static void
admin_drop(struct admin_connection *c)
{
    struct admin_call  *call;

    if (c->is_dead) {
        return;
    }

    c->is_dead = true;
    bufferevent_disable(c->bev, EV_READ | EV_WRITE);

    while (c->calls != NULL) {
        call = c->calls;
        c->calls = call->next;
        call->connection = NULL;
        call->next = NULL;

        if (call->gone != NULL) {
            call->gone(call->gone_ctx);
        }
    }

    c->call_count = 0;
    event_active(c->server->reaper, EV_TIMEOUT, 1);
}


static void
admin_call_free(struct admin_call *call)
{
    struct admin_call        **link;
    struct admin_connection   *c;

    c = call->connection;

    if (c != NULL) {
        for (link = &c->calls; *link != NULL; link = &(*link)->next) {
            if (*link == call) {
                *link = call->next;
                c->call_count--;
                break;
            }
        }

        if (c->is_ending && c->calls == NULL
            && evbuffer_get_length(bufferevent_get_output(c->bev)) == 0)
        {
            admin_drop(c);
        }
    }

    free(call);
}
