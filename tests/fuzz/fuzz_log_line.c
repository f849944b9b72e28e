/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a printed line: what is written to the file is one line of
 * JSON that is read back as the same.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/process/log_line.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
fuzz_line(struct log_context *context, const char *text, size_t len)
{
    char             plugin[16];
    json_t          *json;
    struct strbuf    first = { 0 }, second = { 0 };
    struct log_line  line;

    log_line_read(&line, context, text, len);
    line.unix_us = log_clock_us();
    log_line_show(&line, "p", &second);
    strbuf_clear(&second);
    log_line_write(&line, "p", &first);
    log_line_clear(&line);

    json = json_loadb(first.data, first.len, 0, NULL);

    if (!json_is_object(json)
        || memchr(first.data, '\n', first.len) != first.data + first.len - 1
        || !log_line_parse(&line, first.data, first.len - 1, plugin,
                           sizeof(plugin)))
    {
        abort();
    }

    log_line_write(&line, plugin, &second);

    if (second.len != first.len
        || memcmp(second.data, first.data, first.len) != 0)
    {
        abort();
    }

    log_line_clear(&line);
    json_decref(json);
    strbuf_free(&first);
    strbuf_free(&second);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char          *text, *end;
    struct log_line      line;
    struct log_context   context;

    memset(&context, 0, sizeof(context));
    text = (const char *) data;

    if (log_line_parse(&line, text, size, NULL, 0)) {
        log_line_clear(&line);
    }

    (void) log_time_parse(text, size);

    while (size > 0) {
        end = memchr(text, '\n', size);
        fuzz_line(&context, text, end != NULL ? (size_t) (end - text) : size);

        if (end == NULL) {
            break;
        }

        size -= (size_t) (end - text) + 1;
        text = end + 1;
    }

    return 0;
}
