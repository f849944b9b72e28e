/* SPDX-License-Identifier: MIT */
/*
 * What every resource of the API works with: the application, a call under
 * way, and the ways to answer it.
 */

#ifndef PLATFORM_API_H
#define PLATFORM_API_H

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "contract/mint_origin.h"
#include "contract/mint_token.h"
#include "lib/config.h"
#include "lib/error.h"
#include "platform/directory.h"
#include "platform/http.h"
#include "platform/identity.h"
#include "platform/link.h"
#include "platform/router.h"
#include "platform/store/store_data.h"


#define API_VERSION        "1"          /* of /api/internal */
#define API_BODY_MAX       (1024 * 1024)
#define API_DESIGN_MAX     (8 * 1024 * 1024)
#define API_UPLOAD_MAX     (1024ULL * 1024 * 1024)


struct api {
    const struct config    *config;
    struct store           *store;
    struct identity        *identity;
    struct directory       *directory;
    struct link            *link;
    pthread_mutex_t         key_lock;   /* a key is not thread-safe */
    struct mint_token_key  *key;
    char                   *upload_directory;
    bool                    is_secure;  /* the external URL is https */
    struct mint_origin      *cors;      /* corsOrigins, parsed */
    struct mint_origin_policy   origins;
};


struct call {
    struct api                *api;
    struct http_request       *http;
    struct http_reply         *reply;
    const struct route        *route;
    struct route_params        params;

    /* public: who asks; internal: on whose behalf the plugin asks */
    bool                       has_user;
    struct identity_user       user;
    struct mint_token_claims   claims;      /* public only */
    bool                       is_by_cookie;

    struct directory_plugin   *plugin;      /* internal only */
};


/* callbacks of the HTTP servers; cls is struct api */
void api_begin(void *cls, struct http_request *request,
    struct http_reply *reply);
void api_serve(void *cls, struct http_request *request,
    struct http_reply *reply);
void api_refuse(void *cls, struct http_request *request,
    struct http_reply *reply, int status, const char *message);

/* tables of the two sides (routes.c) */
const struct route *routes_of(enum http_side side, size_t *count_out);

/* identity of a call: 0, or the call has been answered (session.c, plugin.c) */
int session_authenticate(struct call *call);
int caller_authenticate(struct call *call);

/* checks the token of the request without answering; NULL or a sentence */
const char *session_check(struct call *call);


/* ---- answers ---------------------------------------------------------- */

/* value is taken over */
void reply_json(struct call *call, int status, json_t *value);
/* the same for a value with exact numbers (exact_json.h) */
void reply_exact(struct call *call, int status, json_t *value);
/* a text that is JSON already; taken over */
void reply_text(struct call *call, int status, struct strbuf *json);

/* the envelope; details is taken over, may be NULL */
void reply_error(struct call *call, int status, const char *code,
    json_t *details, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* usual failures, in the words of the side the call came from */
void reply_not_found(struct call *call, const char *entity, const char *id);

/* neither the API's address nor a plugin's */
void reply_nowhere(struct call *call);
void reply_forbidden(struct call *call, const char *permission);
void reply_invalid(struct call *call, const char *field, const char *format,
    ...) __attribute__((format(printf, 3, 4)));
void reply_not_built(struct call *call, const char *what);
/* a failure of the store or the supervisor: logged, 503 or 500 */
void reply_failure(struct call *call, const struct error *err);

/* the envelope as JSON text, for streams that have begun */
char *reply_envelope(struct http_request *request, int status,
    const char *code, const char *message, json_t *details);


/* ---- questions -------------------------------------------------------- */

/* the body as a JSON object with exact numbers (exact_json.h), or NULL and
   the call has been answered */
json_t *call_body(struct call *call);

/*
 * Text member of a body.  0, or -1 and the call has been answered.  Absent
 * and null are NULL; is_required refuses that and the empty text.  At most
 * max bytes; no control characters besides tab and line ends.
 */
int call_text(struct call *call, json_t *body, const char *name,
    bool is_required, size_t max, const char **out);
/* integer member >= 1; absent and null are 0 */
int call_id(struct call *call, json_t *body, const char *name, int64_t *out);
/* object member; absent and null are NULL */
int call_object(struct call *call, json_t *body, const char *name,
    json_t **out);

/* integer query argument within bounds; absent is *out unchanged */
int call_query_integer(struct call *call, const char *name, int64_t min,
    int64_t max, int64_t *out);
/* a parameter of the path as a positive id; 0 if it is none */
int64_t call_param_id(struct call *call, size_t i);

#endif /* PLATFORM_API_H */
