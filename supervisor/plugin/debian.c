/* SPDX-License-Identifier: MIT */
/*
 * Reading the table of Debian packages: lines of kind, name and package, with
 * one space between them.
 */

#include "supervisor/plugin/debian.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/fs.h"


#define DEBIAN_HOST       "/etc/debian_version"
#define DEBIAN_TABLE      "plugin_host/debian-packages.txt"
#define DEBIAN_TABLE_MAX  (256 * 1024)
#define DEBIAN_PROGRAM    "program "


void
debian_read(struct strbuf *table, const char *program_directory)
{
    char          *path;
    struct error   err;

    strbuf_clear(table);

    if (program_directory == NULL || access(DEBIAN_HOST, F_OK) == -1) {
        return;
    }

    path = mem_printf("%s/%s", program_directory, DEBIAN_TABLE);

    /* it is help, and nothing fails without it */
    if (fs_read(path, DEBIAN_TABLE_MAX, table, &err) != 0) {
        strbuf_clear(table);
    }

    free(path);
}


char *
debian_program(const char *table, const char *name)
{
    size_t       len, line;
    const char  *p;

    len = strlen(name);

    for (p = table; *p != '\0'; p += line + (p[line] == '\n')) {
        line = strcspn(p, "\n");

        if (strncmp(p, DEBIAN_PROGRAM, strlen(DEBIAN_PROGRAM)) != 0) {
            continue;
        }

        if (line > strlen(DEBIAN_PROGRAM) + len + 1
            && strncmp(p + strlen(DEBIAN_PROGRAM), name, len) == 0
            && p[strlen(DEBIAN_PROGRAM) + len] == ' ')
        {
            p += strlen(DEBIAN_PROGRAM) + len + 1;

            return mem_printf("%.*s", (int) strcspn(p, "\n"), p);
        }
    }

    return NULL;
}
