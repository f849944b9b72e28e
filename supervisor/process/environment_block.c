/* SPDX-License-Identifier: MIT */
/*
 * Builds environment blocks.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "environment_block.h"
#include "lib/strbuf.h"


static const char *const  environment_none[] = { NULL };


void
environment_clear(struct environment_block *block)
{
    size_t  i;

    for (i = 0; i < block->count; i++) {
        explicit_bzero(block->item[i], strlen(block->item[i]));
        free(block->item[i]);
    }

    free(block->item);
    block->item = NULL;
    block->count = 0;
}


static void
environment_take(struct environment_block *block, char *item)
{
    block->item = mem_grow(block->item, block->count + 2, sizeof(char *));
    block->item[block->count++] = item;
    block->item[block->count] = NULL;
}


void
environment_add(struct environment_block *block, const char *name,
    const char *format, ...)
{
    va_list        args;
    struct strbuf  text;

    memset(&text, 0, sizeof(text));
    strbuf_printf(&text, "%s=", name);

    va_start(args, format);
    strbuf_vprintf(&text, format, args);
    va_end(args);

    environment_take(block, mem_strdup(strbuf_text(&text)));

    explicit_bzero(text.data, text.len);
    strbuf_free(&text);
}


void
environment_pass(struct environment_block *block, const char *name)
{
    const char  *value;

    value = getenv(name);

    if (value != NULL) {
        environment_add(block, name, "%s", value);
    }
}


/* name: up to the "=" */

static bool
environment_has(const struct environment_block *block, const char *name)
{
    size_t  i, len;

    len = strcspn(name, "=") + 1;

    for (i = 0; i < block->count; i++) {
        if (strncmp(block->item[i], name, len) == 0) {
            return true;
        }
    }

    return false;
}


void
environment_pass_prefix(struct environment_block *block, const char *prefix)
{
    char  **p;

    for (p = environ; *p != NULL; p++) {
        if (strncmp(*p, prefix, strlen(prefix)) == 0
            && !environment_has(block, *p))
        {
            environment_take(block, mem_strdup(*p));
        }
    }
}


const char *const *
environment_list(const struct environment_block *block)
{
    return block->item == NULL ? environment_none
                               : (const char *const *) block->item;
}
