/* SPDX-License-Identifier: MIT */
/*
 * Glue between libcurl's multi socket interface and libevent.  Owns the curl
 * handles; what an answer means is the caller's business.
 */

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "http_client.h"
#include "strbuf.h"


struct http_call {
    struct http_client  *client;
    CURL                *easy;
    http_done_fn         done;
    void                *ctx;
    struct http_call    *next;
    char                 error[CURL_ERROR_SIZE];
};


struct http_client {
    struct event_base  *base;
    CURLM              *multi;
    struct event       *timer;
    struct http_call   *calls;
};


struct watch {
    struct event  *event;
};


static void http_client_collect(struct http_client *client);


static size_t
http_drop_body(char *data, size_t size, size_t count, void *ctx)
{
    (void) data;
    (void) ctx;

    return size * count;
}


static void
http_on_socket(evutil_socket_t fd, short what, void *arg)
{
    int                  running, flags;
    struct http_client  *client;

    client = arg;

    flags = (what & EV_READ ? CURL_CSELECT_IN : 0)
            | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);

    curl_multi_socket_action(client->multi, fd, flags, &running);
    http_client_collect(client);
}


static void
http_on_timer(evutil_socket_t fd, short what, void *arg)
{
    int                  running;
    struct http_client  *client;

    (void) fd;
    (void) what;
    client = arg;

    curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    http_client_collect(client);
}


static int
http_set_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct timeval       tv;
    struct http_client  *client;

    (void) multi;
    client = arg;

    if (timeout_ms < 0) {
        evtimer_del(client->timer);
        return 0;
    }

    tv.tv_sec = timeout_ms / 1000;
    tv.tv_usec = timeout_ms % 1000 * 1000;
    evtimer_add(client->timer, &tv);

    return 0;
}


static int
http_set_socket(CURL *easy, curl_socket_t fd, int what, void *arg,
    void *socket_ctx)
{
    short                flags;
    struct watch        *watch;
    struct http_client  *client;

    (void) easy;
    client = arg;
    watch = socket_ctx;

    if (what == CURL_POLL_REMOVE) {
        if (watch != NULL) {
            event_free(watch->event);
            free(watch);
            curl_multi_assign(client->multi, fd, NULL);
        }

        return 0;
    }

    if (watch == NULL) {
        watch = mem_alloc(sizeof(struct watch));
        curl_multi_assign(client->multi, fd, watch);

    } else {
        event_free(watch->event);
    }

    flags = EV_PERSIST | (what & CURL_POLL_IN ? EV_READ : 0)
            | (what & CURL_POLL_OUT ? EV_WRITE : 0);

    watch->event = event_new(client->base, fd, flags, http_on_socket, client);
    event_add(watch->event, NULL);

    return 0;
}


int
http_client_open(struct http_client **out, struct event_base *base,
    struct error *err)
{
    struct http_client  *client;

    client = mem_alloc(sizeof(struct http_client));

    client->base = base;
    client->multi = curl_multi_init();
    client->timer = evtimer_new(base, http_on_timer, client);

    if (client->multi == NULL || client->timer == NULL) {
        http_client_free(&client);
        return error_set(err, MINT_ERR_MEMORY, "cannot make an http client");
    }

    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, http_set_socket);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, http_set_timer);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);

    *out = client;

    return 0;
}


void
http_client_free(struct http_client **client)
{
    if (*client == NULL) {
        return;
    }

    while ((*client)->calls != NULL) {
        http_call_cancel((*client)->calls);
    }

    if ((*client)->multi != NULL) {
        curl_multi_cleanup((*client)->multi);
    }

    if ((*client)->timer != NULL) {
        event_free((*client)->timer);
    }

    free(*client);
    *client = NULL;
}


struct http_call *
http_client_get(struct http_client *client, const char *url,
    const char *unix_path, unsigned timeout_ms, http_done_fn done, void *ctx)
{
    CURL              *easy;
    struct http_call  *call;

    easy = curl_easy_init();
    if (easy == NULL) {
        return NULL;
    }

    call = mem_alloc(sizeof(struct http_call));

    call->client = client;
    call->easy = easy;
    call->done = done;
    call->ctx = ctx;
    call->next = client->calls;
    client->calls = call;

    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, http_drop_body);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long) timeout_ms);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "mint-supervisor");

    if (unix_path != NULL) {
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, unix_path);
    }

    if (curl_multi_add_handle(client->multi, easy) != CURLM_OK) {
        http_call_cancel(call);
        return NULL;
    }

    return call;
}


void
http_call_cancel(struct http_call *call)
{
    struct http_call  **p;

    for (p = &call->client->calls; *p != NULL; p = &(*p)->next) {
        if (*p == call) {
            *p = call->next;
            break;
        }
    }

    curl_multi_remove_handle(call->client->multi, call->easy);
    curl_easy_cleanup(call->easy);
    free(call);
}


static void
http_client_collect(struct http_client *client)
{
    int                left;
    long               status;
    void              *ctx;
    char               error[CURL_ERROR_SIZE];
    CURLMsg           *message;
    CURLcode           result;
    http_done_fn       done;
    struct http_call  *call;

    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {

        if (message->msg != CURLMSG_DONE) {
            continue;
        }

        result = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);

        status = 0;
        error[0] = '\0';

        if (result == CURLE_OK) {
            curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);

        } else {
            strncpy(error, call->error[0] != '\0' ? call->error
                                         : curl_easy_strerror(result),
                    sizeof(error) - 1);
            error[sizeof(error) - 1] = '\0';
        }

        done = call->done;
        ctx = call->ctx;

        http_call_cancel(call);
        done(ctx, status, error);
    }
}
