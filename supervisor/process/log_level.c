/* SPDX-License-Identifier: MIT */
/*
 * The level of a line that is plain text, by how loggers begin one.
 */

#include <ctype.h>
#include <string.h>

#include "log_line.h"


#define LOG_WORD_MAX  12


bool
log_level_parse(const char *text, size_t len, enum log_level *level)
{
    size_t  i;

    static const struct {
        const char      *word;
        enum log_level   level;
    }  words[] = {
        { "debug", LOG_LEVEL_DEBUG },
        { "trace", LOG_LEVEL_DEBUG },
        { "10", LOG_LEVEL_DEBUG },
        { "info", LOG_LEVEL_INFO },
        { "notice", LOG_LEVEL_INFO },
        { "20", LOG_LEVEL_INFO },
        { "warn", LOG_LEVEL_WARN },
        { "warning", LOG_LEVEL_WARN },
        { "30", LOG_LEVEL_WARN },
        { "error", LOG_LEVEL_ERROR },
        { "err", LOG_LEVEL_ERROR },
        { "critical", LOG_LEVEL_ERROR },
        { "crit", LOG_LEVEL_ERROR },
        { "alert", LOG_LEVEL_ERROR },
        { "emerg", LOG_LEVEL_ERROR },
        { "fatal", LOG_LEVEL_ERROR },
        { "40", LOG_LEVEL_ERROR },
        { "50", LOG_LEVEL_ERROR },
    };

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strlen(words[i].word) == len
            && strncasecmp(words[i].word, text, len) == 0)
        {
            *level = words[i].level;
            return true;
        }
    }

    return false;
}


/* "ERROR: ...", "WARNING  ...", "[error] ...", nginx's "date time [warn] " */

bool
log_text_level(const char *text, enum log_level *level)
{
    bool         is_upper;
    size_t       n, lead;
    const char  *p;

    lead = strspn(text, "0123456789/:-.,T Z");
    p = text + lead;

    if (lead > 32) {
        return false;
    }

    if (*p == '[') {
        n = strcspn(p + 1, "]");
        return p[n + 1] == ']' && n <= LOG_WORD_MAX
               && log_level_parse(p + 1, n, level);
    }

    is_upper = true;

    for (n = 0; n <= LOG_WORD_MAX && isalpha((unsigned char) p[n]); n++) {
        is_upper = is_upper && isupper((unsigned char) p[n]);
    }

    if (p[n] != ':' && !(is_upper && (p[n] == ' ' || p[n] == '\0'))) {
        return false;
    }

    return log_level_parse(p, n, level);
}


bool
log_line_is_traceback(const char *text)
{
    size_t  i;

    static const char *const  starts[] = {
        "Traceback (most recent call last):", "Fatal Python error:",
        "Current thread 0x", "Thread 0x"
    };

    for (i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        if (strncmp(text, starts[i], strlen(starts[i])) == 0) {
            return true;
        }
    }

    return false;
}
