/* SPDX-License-Identifier: MIT */
/*
 * One pass over the text; at each place the rules are asked in the order of
 * their table (redact_rules.c) how much there is to be left out.
 */

#include <stdlib.h>
#include <string.h>

#include "redact_private.h"


#define REDACT_DEPTH_MAX  64


struct redactor {
    char    **secret;
    size_t    count;
    size_t    size;
    bool      is_first[256];        /* bytes that a secret begins with */
    bool      is_in_key;            /* between BEGIN and END of a PEM block */
};


/* ---- what is known --------------------------------------------------- */

struct redactor *
redactor_new(void)
{
    return mem_alloc(sizeof(struct redactor));
}


void
redactor_free(struct redactor **redactor)
{
    size_t            i;
    struct redactor  *r;

    r = *redactor;
    *redactor = NULL;

    if (r == NULL) {
        return;
    }

    for (i = 0; i < r->count; i++) {
        explicit_bzero(r->secret[i], strlen(r->secret[i]));
        free(r->secret[i]);
    }

    free(r->secret);
    free(r);
}


void
redactor_add(struct redactor *redactor, const char *secret)
{
    if (secret == NULL || strlen(secret) < REDACT_LEAST) {
        return;
    }

    if (redactor->count == redactor->size) {
        redactor->size = redactor->size == 0 ? 32 : redactor->size * 2;
        redactor->secret = mem_grow(redactor->secret, redactor->size,
                                    sizeof(char *));
    }

    redactor->secret[redactor->count++] = mem_strdup(secret);
    redactor->is_first[(unsigned char) secret[0]] = true;
}


static void
redactor_add_below(struct redactor *redactor, json_t *value, bool is_secret,
    int depth)
{
    size_t       i;
    json_t      *item;
    const char  *name;

    if (depth > REDACT_DEPTH_MAX) {
        return;
    }

    if (is_secret) {
        redactor_add(redactor, json_string_value(value));
    }

    json_object_foreach(value, name, item) {
        redactor_add_below(redactor, item, is_secret
                           || redact_is_secret_name(name, strlen(name)),
                           depth + 1);
    }

    json_array_foreach(value, i, item) {
        redactor_add_below(redactor, item, is_secret, depth + 1);
    }
}


void
redactor_add_json(struct redactor *redactor, json_t *value)
{
    redactor_add_below(redactor, value, false, 0);
}


/* bytes of the longest known one that text begins with */

static size_t
redactor_known(const struct redactor *redactor, const char *text)
{
    size_t  i, len, longest;

    longest = 0;

    if (!redactor->is_first[(unsigned char) text[0]]) {
        return 0;
    }

    for (i = 0; i < redactor->count; i++) {
        if (redactor->secret[i][0] != text[0]) {
            continue;
        }

        len = strlen(redactor->secret[i]);

        if (len > longest && strncmp(text, redactor->secret[i], len) == 0) {
            longest = len;
        }
    }

    return longest;
}


/* ---- texts ------------------------------------------------------------ */

void
redactor_begin(struct redactor *redactor)
{
    redactor->is_in_key = false;
}


/* how much of text belongs to a private key in PEM; 0: none begins here */

static size_t
redactor_key(struct redactor *redactor, const char *text)
{
    size_t       n;
    const char  *end;

    if (!redactor->is_in_key) {
        n = strcspn(text, "\n\\");

        if (strncmp(text, "-----BEGIN ", 11) != 0
            || memmem(text, n, "PRIVATE KEY-----", 16) == NULL)
        {
            return 0;
        }

        redactor->is_in_key = true;
    }

    end = strstr(text, "-----END ");

    if (end == NULL) {
        return strlen(text);
    }

    redactor->is_in_key = false;
    n = (size_t) (end - text) + 9;
    end = strstr(text + n, "-----");

    return end != NULL ? (size_t) (end - text) + 5 : n;
}


/* a name may have a known secret in it; one that goes on behind the part that
   stays goes with what is left out there */

static void
redactor_keep(const struct redactor *redactor, const char *text, size_t len,
    struct strbuf *out)
{
    size_t  n;

    while (len > 0) {
        n = redactor_known(redactor, text);

        if (n > 0) {
            strbuf_puts(out, REDACTED);
            n = n < len ? n : len;

        } else {
            strbuf_append(out, text, 1);
            n = 1;
        }

        text += n;
        len -= n;
    }
}


void
redactor_text(struct redactor *redactor, const char *text,
    struct strbuf *out)
{
    size_t              i, at, len;
    struct redact_span  span;

    for (at = 0, len = strlen(text); at < len; /* void */ ) {

        span.drop = redactor_key(redactor, text + at);

        if (span.drop == 0) {
            span.drop = redactor_known(redactor, text + at);
        }

        if (span.drop > 0) {
            strbuf_puts(out, REDACTED);
            at += span.drop;
            continue;
        }

        for (i = 0; redact_rules[i] != NULL; i++) {
            if (redact_rules[i](text, at, &span)) {
                break;
            }
        }

        if (redact_rules[i] == NULL) {
            strbuf_append(out, text + at, 1);
            at++;
            continue;
        }

        redactor_keep(redactor, text + at, span.keep, out);
        strbuf_puts(out, REDACTED);
        at += span.keep + span.drop;
    }
}


static json_t *
redactor_json_below(struct redactor *redactor, json_t *value, bool is_secret,
    int depth)
{
    size_t         i;
    json_t        *copy, *item;
    const char    *name, *text;
    struct strbuf  out = { 0 };

    text = json_string_value(value);

    if (depth > REDACT_DEPTH_MAX || (is_secret && text != NULL && *text)) {
        return json_string(REDACTED);
    }

    if (text != NULL) {
        redactor_text(redactor, text, &out);
        copy = json_string(strbuf_text(&out));
        strbuf_free(&out);
        return copy != NULL ? copy : json_string(REDACTED);
    }

    if (json_is_object(value)) {
        copy = json_object();
        json_object_foreach(value, name, item) {
            json_object_set_new(copy, name, redactor_json_below(redactor,
                item, is_secret || redact_is_secret_name(name, strlen(name)),
                depth + 1));
        }
        return copy;
    }

    if (json_is_array(value)) {
        copy = json_array();
        json_array_foreach(value, i, item) {
            json_array_append_new(copy, redactor_json_below(redactor, item,
                                            is_secret, depth + 1));
        }
        return copy;
    }

    return json_incref(value);
}


json_t *
redactor_json(struct redactor *redactor, json_t *value)
{
    redactor_begin(redactor);

    return redactor_json_below(redactor, value, false, 0);
}


json_t *
redactor_json_go_on(struct redactor *redactor, json_t *value)
{
    return redactor_json_below(redactor, value, false, 0);
}
