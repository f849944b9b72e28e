/* SPDX-License-Identifier: MIT */
/*
 * Filling struct error.  Its text is always valid UTF-8 without control
 * characters, whatever bytes the values in it came with: it ends up in JSON
 * answers and in log lines.
 */

#include "lib/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/text.h"


static const struct {
    int          code;
    const char  *name;
} error_names[] = {
    { MINT_OK,              "OK" },
    { MINT_ERR_SYSTEM,      "INTERNAL" },
    { MINT_ERR_INVALID,     "INVALID" },
    { MINT_ERR_NOT_FOUND,   "NOT_FOUND" },
    { MINT_ERR_CONFLICT,    "CONFLICT" },
    { MINT_ERR_FULL,        "UNAVAILABLE" },
    { MINT_ERR_TIMEOUT,     "UNAVAILABLE" },
    { MINT_ERR_UNAVAILABLE, "UNAVAILABLE" },
    { MINT_ERR_PROTOCOL,    "INTERNAL" },
    { MINT_ERR_MEMORY,      "INTERNAL" },
    { MINT_ERR_FORBIDDEN,   "FORBIDDEN" },
    { MINT_ERR_BUSY,        "BUSY" },
    { MINT_ERR_NOT_BUILT,   "NOT_BUILT" },
};


static enum mint_err
error_code_of(int system_errno)
{
    switch (system_errno) {

    case ENOSPC:
    case EDQUOT:
        return MINT_ERR_FULL;

    case ENOENT:
        return MINT_ERR_NOT_FOUND;

    default:
        return MINT_ERR_SYSTEM;
    }
}


int
error_set(struct error *err, enum mint_err code, const char *format, ...)
{
    va_list  args;

    if (err == NULL) {
        return code;
    }

    err->code = code;
    err->system_errno = 0;

    va_start(args, format);
    vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);

    text_clean(err->text);

    return code;
}


int
error_set_errno(struct error *err, const char *format, ...)
{
    int             saved;
    char            text[sizeof(err->text)], buffer[128];
    va_list         args;
    const char     *why;
    enum mint_err   code;

    saved = errno;
    code = error_code_of(saved);

    if (err == NULL) {
        return code;
    }

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);

    why = strerror_r(saved, buffer, sizeof(buffer));

    /* room for the reason is kept: it matters more than a long path's end */
    snprintf(err->text, sizeof(err->text), "%.*s: %s",
             (int) (sizeof(err->text) - sizeof(buffer) - 3), text, why);
    text_clean(err->text);

    err->code = code;
    err->system_errno = saved;
    errno = saved;

    return code;
}


int
error_prefix(struct error *err, const char *format, ...)
{
    int      saved;
    char     text[sizeof(err->text)];
    size_t   prefix, rest;
    va_list  args;

    if (err == NULL) {
        return MINT_ERR_SYSTEM;
    }

    saved = errno;

    va_start(args, format);
    vsnprintf(text, sizeof(text) / 2, format, args);
    va_end(args);

    prefix = strlen(text);
    memcpy(text + prefix, ": ", 2);
    prefix += 2;

    rest = strlen(err->text);

    if (rest > sizeof(text) - prefix - 1) {
        rest = sizeof(text) - prefix - 1;
    }

    memcpy(text + prefix, err->text, rest);
    text[prefix + rest] = '\0';
    memcpy(err->text, text, prefix + rest + 1);
    text_clean(err->text);

    errno = saved;

    return err->code;
}


const char *
error_code_name(int code)
{
    size_t  i;

    for (i = 0; i < sizeof(error_names) / sizeof(error_names[0]); i++) {
        if (error_names[i].code == code) {
            return error_names[i].name;
        }
    }

    return "INTERNAL";
}
