/* SPDX-License-Identifier: MIT */
/*
 * Takes secrets out of texts that people will pass on: crash reports, support
 * bundles.  What is known to be secret (added values) goes wherever it is;
 * what looks like a secret goes by its name or its shape:
 *
 *   values of names like password, secret, token, api_key, cookie in JSON, in
 *   key=value, header lines, query arguments, --options and Python's repr;
 *   "Bearer ..." and "Basic ..."; user and password of URLs; session tokens
 *   (JWT), personal tokens, keys of well-known services; private keys in PEM.
 *
 * Rather too much than too little: what is left must be harmless.
 */

#ifndef SUPERVISOR_OBSERVE_REDACT_H
#define SUPERVISOR_OBSERVE_REDACT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/strbuf.h"


#define REDACTED       "[redacted]"
#define REDACT_LEAST   6                /* bytes of an added value */


struct redactor;

struct redactor *redactor_new(void);
void redactor_free(struct redactor **redactor);         /* wipes */

/* a value that is secret; NULL and what is too short to be one are ignored */
void redactor_add(struct redactor *redactor, const char *secret);

/* every text below a secret name, and those that look so by themselves */
void redactor_add_json(struct redactor *redactor, json_t *value);

/* adds text without its secrets; a private key may go on in the next text
   until redactor_begin() */
void redactor_text(struct redactor *redactor, const char *text,
    struct strbuf *out);
void redactor_begin(struct redactor *redactor);

/* a copy without secrets; a new reference */
json_t *redactor_json(struct redactor *redactor, json_t *value);

/* the same in the middle of a series of texts: see redactor_text() */
json_t *redactor_json_go_on(struct redactor *redactor, json_t *value);

/* whether what has this name is secret: "adminPassword", "X-Api-Key" */
bool redact_is_secret_name(const char *name, size_t len);

#endif /* SUPERVISOR_OBSERVE_REDACT_H */
