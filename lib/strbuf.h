/* SPDX-License-Identifier: MIT */
/*
 * A growing byte string, always NUL-terminated.  Zero-initialise; free with
 * strbuf_free().  Out of memory aborts the process (the keeper starts it
 * again): daemons do not limp on without memory.
 */

#ifndef LIB_STRBUF_H
#define LIB_STRBUF_H

#include <stdarg.h>
#include <stddef.h>


struct strbuf {
    char    *data;                  /* NULL while empty */
    size_t   len;
    size_t   size;
};


void strbuf_append(struct strbuf *b, const void *data, size_t len);
void strbuf_puts(struct strbuf *b, const char *text);
void strbuf_printf(struct strbuf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void strbuf_vprintf(struct strbuf *b, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
void strbuf_consume(struct strbuf *b, size_t len);  /* drops from the front */
void strbuf_clear(struct strbuf *b);                /* keeps the memory */
void strbuf_free(struct strbuf *b);
const char *strbuf_text(const struct strbuf *b);    /* "" while empty */

/* abort on out of memory */
void *mem_alloc(size_t size);                       /* zeroed */
void *mem_grow(void *p, size_t count, size_t item_size);
char *mem_strdup(const char *text);
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif /* LIB_STRBUF_H */
