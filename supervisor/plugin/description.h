/* SPDX-License-Identifier: MIT */
/*
 * Sections of a package's long description, which is Markdown.
 */

#ifndef SUPERVISOR_PLUGIN_DESCRIPTION_H
#define SUPERVISOR_PLUGIN_DESCRIPTION_H

#include <stddef.h>


#define DESCRIPTION_SECTION_MAX  (8 * 1024)


/*
 * What stands below the first heading with this title (in either case), as
 * far as the next heading of the same or a higher level; without blank lines
 * around it, clean for a terminal, at most DESCRIPTION_SECTION_MAX bytes and
 * then a line "...".  NULL if there is no such heading or nothing below it;
 * mem_alloc.  Time grows with len.
 */
char *description_section(const char *text, size_t len, const char *title);

#endif /* SUPERVISOR_PLUGIN_DESCRIPTION_H */
