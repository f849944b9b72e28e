/* SPDX-License-Identifier: MIT */
/*
 * The rules by which redact.c finds what is to be left out.
 */

#ifndef SUPERVISOR_OBSERVE_REDACT_PRIVATE_H
#define SUPERVISOR_OBSERVE_REDACT_PRIVATE_H

#include "redact.h"


#define REDACT_NAME_MAX   128


/* how many bytes stay as they are, and how many that follow are left out */

struct redact_span {
    size_t  keep;
    size_t  drop;
};

/* looks at text + at; false: nothing of that kind begins here */
typedef bool (*redact_rule_fn)(const char *text, size_t at,
    struct redact_span *span);

/* ended by NULL; the first that finds something wins */
extern const redact_rule_fn  redact_rules[];

#endif /* SUPERVISOR_OBSERVE_REDACT_PRIVATE_H */
