/* SPDX-License-Identifier: MIT */
/*
 * Which Debian package has a program: plugin_host/debian-packages.txt, whose
 * libraries plugin_host/native.py looks up.
 */

#ifndef SUPERVISOR_PLUGIN_DEBIAN_H
#define SUPERVISOR_PLUGIN_DEBIAN_H

#include "lib/strbuf.h"


/* the table; empty if it cannot be read, or if the host is none of Debian's */
void debian_read(struct strbuf *table, const char *program_directory);

/* mem_alloc, or NULL: not in the table */
char *debian_program(const char *table, const char *name);

#endif /* SUPERVISOR_PLUGIN_DEBIAN_H */
