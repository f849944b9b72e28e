/* SPDX-License-Identifier: MIT */
/*
 * Growing byte strings and the allocation functions of the daemons.  All
 * sizes are checked for overflow; running out of memory ends the process
 * with one line on stderr.
 */

#include "lib/strbuf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


#define STRBUF_SIZE_MIN  64


static void mem_fail(void) __attribute__((noreturn));
static void strbuf_reserve(struct strbuf *b, size_t len);


void
strbuf_append(struct strbuf *b, const void *data, size_t len)
{
    if (len == 0) {
        return;
    }

    strbuf_reserve(b, len);
    memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
}


void
strbuf_puts(struct strbuf *b, const char *text)
{
    strbuf_append(b, text, strlen(text));
}


void
strbuf_printf(struct strbuf *b, const char *format, ...)
{
    va_list  args;

    va_start(args, format);
    strbuf_vprintf(b, format, args);
    va_end(args);
}


void
strbuf_vprintf(struct strbuf *b, const char *format, va_list args)
{
    int      n;
    va_list  again;

    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, again);
    va_end(again);

    if (n < 0) {
        mem_fail();
    }

    strbuf_reserve(b, (size_t) n);
    vsnprintf(b->data + b->len, (size_t) n + 1, format, args);
    b->len += (size_t) n;
}


void
strbuf_consume(struct strbuf *b, size_t len)
{
    if (len >= b->len) {
        strbuf_clear(b);
        return;
    }

    memmove(b->data, b->data + len, b->len - len);
    b->len -= len;
    b->data[b->len] = '\0';
}


void
strbuf_clear(struct strbuf *b)
{
    b->len = 0;

    if (b->data != NULL) {
        b->data[0] = '\0';
    }
}


void
strbuf_free(struct strbuf *b)
{
    free(b->data);

    b->data = NULL;
    b->len = 0;
    b->size = 0;
}


const char *
strbuf_text(const struct strbuf *b)
{
    return b->data == NULL ? "" : b->data;
}


/* makes room for len more bytes and the NUL */

static void
strbuf_reserve(struct strbuf *b, size_t len)
{
    size_t  size;

    if (len > SIZE_MAX / 2 - b->len - 1) {
        mem_fail();
    }

    if (b->data != NULL && b->len + len + 1 <= b->size) {
        return;
    }

    size = b->size < STRBUF_SIZE_MIN ? STRBUF_SIZE_MIN : b->size;

    while (size < b->len + len + 1) {
        size *= 2;
    }

    b->data = mem_grow(b->data, size, 1);
    b->size = size;
    b->data[b->len] = '\0';
}


void *
mem_alloc(size_t size)
{
    void  *p;

    p = calloc(1, size == 0 ? 1 : size);

    if (p == NULL) {
        mem_fail();
    }

    return p;
}


void *
mem_grow(void *p, size_t count, size_t item_size)
{
    void  *grown;

    if (count == 0 || item_size == 0) {
        count = 1;
        item_size = 1;
    }

    grown = reallocarray(p, count, item_size);

    if (grown == NULL) {
        mem_fail();
    }

    return grown;
}


char *
mem_strdup(const char *text)
{
    char  *copy;

    copy = strdup(text);

    if (copy == NULL) {
        mem_fail();
    }

    return copy;
}


char *
mem_printf(const char *format, ...)
{
    int      n;
    char    *text;
    va_list  args;

    va_start(args, format);
    n = vasprintf(&text, format, args);
    va_end(args);

    if (n < 0) {
        mem_fail();
    }

    return text;
}


static void
mem_fail(void)
{
    static const char  line[] = "out of memory\n";

    if (write(STDERR_FILENO, line, sizeof(line) - 1) == -1) {
        /* nothing is left to say it with */
    }

    abort();
}
