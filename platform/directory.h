/* SPDX-License-Identifier: MIT */
/*
 * What the supervisor knows of installed plugins and the platform needs to
 * judge their callbacks: token, capabilities, experiment types.  A copy, asked
 * for at each connect and whenever a caller is not in it.
 */

#ifndef PLATFORM_DIRECTORY_H
#define PLATFORM_DIRECTORY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"
#include "platform/link.h"


#define DIRECTORY_WAIT_MS  2000
#define DIRECTORY_BOOT_MAX 64


struct directory;

enum capability {
    CAPABILITY_EXPERIMENT_CRUD = 1,
    CAPABILITY_DESIGN_DATA_WRITE = 2,
    CAPABILITY_ANALYSIS_RESULT_WRITE = 4
};


/* immutable; held by the directory and by calls under way */
struct directory_plugin {
    unsigned   holders;             /* atomic */
    uint32_t   id;
    char      *name;
    char      *token;
    unsigned   capabilities;        /* enum capability, effective */
    json_t    *experiment_types;    /* list, or NULL = unrestricted */
};


struct directory *directory_new(void);
void directory_free(struct directory **directory);
/* directory_connected() is for the link's on_connect */
void directory_use_link(struct directory *directory, struct link *link);
void directory_connected(struct directory *directory);

/* a plugin is gone: nobody comes with an unknown token that would have the
   supervisor asked */
void directory_refresh_soon(struct directory *directory);

/*
 * The plugin of that name if the token is its own (compared in constant
 * time).  Asks the supervisor again, and waits DIRECTORY_WAIT_MS for it, when
 * the copy does not say so.  FORBIDDEN: not so; UNAVAILABLE: not to be known
 * now.
 */
int directory_authenticate(struct directory *directory, const char *name,
    const char *token, struct directory_plugin **out, struct error *err);
void directory_release(struct directory_plugin **plugin);

/* changes with each start or restart of everything; our own as long as the
   supervisor has not said one */
void directory_boot_id(struct directory *directory,
    char text[DIRECTORY_BOOT_MAX + 1]);
void directory_set_boot_id(struct directory *directory, const char *text);

/* of a probe's result; for tests and this file */
unsigned directory_capabilities(const json_t *metadata);

#endif /* PLATFORM_DIRECTORY_H */
