/* SPDX-License-Identifier: MIT */
/*
 * One Requires-Dist, and what became of it in words.
 */

#ifndef SUPERVISOR_PLUGIN_REQUIREMENT_H
#define SUPERVISOR_PLUGIN_REQUIREMENT_H

#include <jansson.h>
#include <stdbool.h>

#include "supervisor/plugin/lock.h"
#include "supervisor/plugin/marker.h"
#include "supervisor/plugin/registry.h"
#include "supervisor/plugin/specifier.h"


enum requirement_verdict {
    REQUIREMENT_OPEN = 0,
    REQUIREMENT_OTHER = 1,          /* for an extra, or from an address */
    REQUIREMENT_ABSENT = 2,         /* its marker is false here */
    REQUIREMENT_SATISFIED = 3,
    REQUIREMENT_MISSING = 4,        /* nothing of that name is installed */
    REQUIREMENT_CLASH = 5           /* another version is installed */
};


struct requirement {
    char                      *whole;
    char                      *text;        /* without its marker */
    char                      *name;        /* as written */
    struct text_list           extras;      /* as written */
    char                      *url;         /* NULL: from an index */
    struct specifier_set       specifiers;
    bool                       has_marker;
    struct marker              marker;
    bool                       is_valid;
    enum requirement_verdict   verdict;
};


/* what the words are made of; others: the shared plugins besides this one */
struct requirement_scene {
    const struct lock       *core;
    const struct lock       *platform;
    const char              *distribution;  /* of this plugin */
    struct plugin *const    *others;
    size_t                   other_count;
};


/* PEP 508.  *out must be cleared; after an error it has the texts, and the
   name if it could be read.  The verdict is OTHER or OPEN */
int requirement_parse(struct requirement *out, const char *text,
    struct error *err);

/* its name alone, for what is too long to be parsed: it is not valid, and not
   known to have a marker unless there is a ";" */
void requirement_skim(struct requirement *out, const char *text);
void requirement_clear(struct requirement *requirement);

/* "tabulate<0.9 and the shared environment has tabulate 0.9.0 (needed by
   peak-table)" or "... the platform's core has ..." */
void requirement_clash(const struct requirement *requirement,
    const struct requirement_scene *scene, struct strbuf *out);

/* one line of "explain"; chosen is the lock the plugin will run from */
void requirement_explain(const struct requirement *requirement,
    const struct requirement_scene *scene, enum plugin_mode mode,
    const struct lock *chosen, struct strbuf *out);

/* " (adds tabulate 0.9.0; moves x from 1 to 2)" or "" */
void requirement_changes(const struct requirement_scene *scene,
    const struct lock *chosen, struct strbuf *out);

/* a package that other plugins see too has another version than before */
bool requirement_moves(const struct requirement_scene *scene,
    const struct lock *chosen);

#endif /* SUPERVISOR_PLUGIN_REQUIREMENT_H */
