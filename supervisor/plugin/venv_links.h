/* SPDX-License-Identifier: MIT */
/*
 * <plugins.venvDir>/<name> -> environment: where people and scripts find the
 * one that is in use.  Nothing of ours goes through these links.
 */

#ifndef SUPERVISOR_PLUGIN_VENV_LINKS_H
#define SUPERVISOR_PLUGIN_VENV_LINKS_H

#include <stddef.h>

#include "lib/error.h"


struct venv_links;

struct venv_link {
    const char  *name;
    const char  *environment;
};


/* environments: that of the environments, in which the links must not be.
   Both texts are copied */
int venv_links_open(struct venv_links **out, const char *directory,
    const char *environments, struct error *err);
void venv_links_free(struct venv_links **links);

/*
 * Makes directory and links what is wanted: each replaced in one step, those
 * that are wanted no more (links to environments, nothing else) removed, the
 * directory written to disk if anything was changed.  Something else in the
 * place of a link is left alone.  What cannot be done is logged once: nothing
 * depends on it.
 */
void venv_links_set(struct venv_links *links, const struct venv_link *wanted,
    size_t count);

#endif /* SUPERVISOR_PLUGIN_VENV_LINKS_H */
