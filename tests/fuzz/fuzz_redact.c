/* SPDX-License-Identifier: MIT */
/*
 * Any text through the redactor: no known secret is left, JSON stays JSON.
 * And any bytes as a line of the edge's log.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/observe/edge_request.h"
#include "supervisor/observe/redact.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
fuzz_edge(const char *text, size_t size)
{
    struct log_line      line;
    struct edge_request  request;

    if (!edge_request_parse(&request, text, size)) {
        return;
    }

    edge_request_begin(&request, &line);
    log_line_clear(&line);
    edge_request_end(&request, true, &line);
    log_line_clear(&line);
    (void) edge_request_died_with(&request, "x", "0a", 0, 1, 0);
    edge_request_clear(&request);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char             *text;
    json_t           *json, *clean;
    struct strbuf     out = { 0 };
    struct redactor  *redactor;

    fuzz_edge((const char *) data, size);

    text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';

    redactor = redactor_new();
    redactor_add(redactor, "s3cret");
    redactor_text(redactor, text, &out);

    if (strstr(strbuf_text(&out), "s3cret") != NULL) {
        abort();
    }

    json = json_loads(text, 0, NULL);

    if (json != NULL) {
        redactor_add_json(redactor, json);
        clean = redactor_json(redactor, json);

        if (clean == NULL) {
            abort();
        }

        json_decref(clean);
        json_decref(json);
    }

    strbuf_free(&out);
    redactor_free(&redactor);
    free(text);

    return 0;
}
