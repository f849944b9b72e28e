/* SPDX-License-Identifier: MIT */
/*
 * uv's messages: what they mean, and what of them is for people.
 */

#include "supervisor/plugin/uv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


#define UV_EXPLANATION_MAX  700


static size_t uv_clean_line(const char **line);


bool
uv_is_conflict(const struct command_result *result)
{
    return result->error.code == 0 && result->exit_code == 1
           && strstr(result->output, "No solution found") != NULL;
}


static enum mint_err
uv_error_code(const char *output)
{
    size_t  i;

    static const char *const  network[] = {
        "Failed to fetch", "error sending request", "Request failed after",
        "tcp connect error", "dns error", "operation timed out",
        "not found in the cache"
    };

    if (command_disk_full(output)) {
        return MINT_ERR_FULL;
    }

    for (i = 0; i < sizeof(network) / sizeof(network[0]); i++) {
        if (strstr(output, network[i]) != NULL) {
            return MINT_ERR_UNAVAILABLE;
        }
    }

    return MINT_ERR_INVALID;
}


int
uv_failed(const struct command_result *result, struct error *err,
    const char *what, ...)
{
    char            text[256];
    va_list         args;
    enum mint_err   code;
    struct strbuf   why;

    va_start(args, what);
    vsnprintf(text, sizeof(text), what, args);
    va_end(args);

    if (result->error.code != 0) {
        return error_set(err, (enum mint_err) result->error.code, "%s: %s",
                         text, result->error.text);
    }

    memset(&why, 0, sizeof(why));
    code = uv_error_code(result->output);
    uv_explanation(result->output, code == MINT_ERR_FULL, &why);

    if (why.len == 0) {
        strbuf_printf(&why, "exit code %d without a word", result->exit_code);
    }

    error_set(err, code, "%s: %s%s", text,
              code == MINT_ERR_FULL ? "the disk is full: "
              : code == MINT_ERR_UNAVAILABLE
                ? "the package index cannot be reached: " : "",
              strbuf_text(&why));
    strbuf_free(&why);

    return code;
}


void
uv_explanation(const char *output, bool first, struct strbuf *out)
{
    size_t       len;
    const char  *line, *end;

    strbuf_clear(out);

    /* warnings come first, some of several lines */

    line = strstr(output, "\nerror:");
    output = line != NULL ? line + 1 : output;

    while (*output != '\0' && out->len < UV_EXPLANATION_MAX) {
        line = output;
        output += strcspn(output, "\n");
        output += *output == '\n';
        len = uv_clean_line(&line);

        if (len == 0 || strncmp(line, "warning:", 8) == 0
            || strncmp(line, "DEBUG ", 6) == 0
            || strncmp(line, "Using Python", 12) == 0
            || strncmp(line, "Resolved ", 9) == 0)
        {
            continue;
        }

        if (strncmp(line, "hint:", 5) == 0) {
            break;
        }

        if (strncmp(line, "No solution found", 17) == 0) {
            continue;
        }

        /* a sentence of the resolver ends with its line */

        strbuf_printf(out, "%s%.*s", out->len == 0 ? ""
                      : out->data[out->len - 1] == '.' ? " " : "; ",
                      (int) len, line);

        if (first) {
            break;
        }
    }

    if (out->len > UV_EXPLANATION_MAX) {
        end = out->data + UV_EXPLANATION_MAX;

        while (end > out->data && *end != ' ') {
            end--;
        }

        out->len = (size_t) (end - out->data);
        out->data[out->len] = '\0';
        strbuf_puts(out, " ...");
    }
}


/* without bullets, tree drawings, "error:" and "cause:"; 0 = nothing left */

static size_t
uv_clean_line(const char **line)
{
    size_t       i, len;
    const char  *p;

    static const char *const  labels[] = { "error:", "cause:", "Caused by:" };

    p = *line;
    len = strcspn(p, "\n");

    while (len > 0 && (*p == ' ' || *p == '\t' || (unsigned char) *p >= 0x80))
    {
        p++;
        len--;
    }

    for (i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
        if (strncmp(p, labels[i], strlen(labels[i])) == 0) {
            *line = p + strlen(labels[i]);
            return uv_clean_line(line);
        }
    }

    while (len > 0 && (p[len - 1] == ' ' || p[len - 1] == '\r')) {
        len--;
    }

    *line = p;

    return len;
}


char *
uv_progress(const char *line)
{
    size_t  i;

    static const struct {
        const char  *starts;
        const char  *text;
    } interesting[] = {
        { "Downloading ", "downloading " },
        { "Prepared ",    "prepared " },
        { "Installed ",   "installed " },
    };

    for (i = 0; i < sizeof(interesting) / sizeof(interesting[0]); i++) {
        if (strncmp(line, interesting[i].starts,
                    strlen(interesting[i].starts)) == 0)
        {
            return mem_printf("%s%.200s", interesting[i].text,
                              line + strlen(interesting[i].starts));
        }
    }

    return NULL;
}
