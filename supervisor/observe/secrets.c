/* SPDX-License-Identifier: MIT */
/*
 * Gathers secret values; the redactor forgets them when it is freed.
 */

#include "secrets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/fs.h"


#define SECRETS_FILE_MAX  (16 * 1024 * 1024)


/* MINT_PLUGIN_<NAME>__<FIELD>, ADMIN_PASSWORD and the like, by their names */

static void
secrets_add_variable(struct redactor *redactor, const char *entry)
{
    const char  *value;

    value = strchr(entry, '=');

    if (value != NULL
        && redact_is_secret_name(entry, (size_t) (value - entry)))
    {
        redactor_add(redactor, value + 1);
    }
}


static void
secrets_add_environment(struct redactor *redactor)
{
    char  **entry;

    for (entry = environ; *entry != NULL; entry++) {
        secrets_add_variable(redactor, *entry);
    }
}


void
secrets_add_process(struct redactor *redactor, long pid)
{
    char            path[64];
    size_t          at;
    struct strbuf   text;

    memset(&text, 0, sizeof(text));
    snprintf(path, sizeof(path), "/proc/%ld/environ", pid);

    if (pid > 0 && fs_read(path, SECRETS_FILE_MAX, &text, NULL) == 0) {
        for (at = 0; at < text.len; at += strlen(text.data + at) + 1) {
            secrets_add_variable(redactor, text.data + at);
        }

        explicit_bzero(text.data, text.len);
    }

    strbuf_free(&text);
}


struct redactor *
secrets_redactor(const struct config *config, struct registry *registry)
{
    size_t            i;
    struct redactor  *redactor;

    redactor = redactor_new();
    secrets_add_environment(redactor);

    if (config != NULL) {
        redactor_add(redactor, config->auth.jwt_secret);
        redactor_add(redactor, config->admin_password);
        secrets_add_files(redactor, config->path, NULL);
    }

    for (i = 0; registry != NULL && i < registry_count(registry); i++) {
        redactor_add(redactor, registry_at(registry, i)->token);
    }

    return redactor;
}


static void
secrets_add_file(struct redactor *redactor, const char *path)
{
    json_t         *json;
    struct strbuf   text;

    memset(&text, 0, sizeof(text));

    if (fs_read(path, SECRETS_FILE_MAX, &text, NULL) == 0) {
        json = json_loadb(strbuf_text(&text), text.len, 0, NULL);
        redactor_add_json(redactor, json);
        json_decref(json);
    }

    if (text.data != NULL) {
        explicit_bzero(text.data, text.len);
    }

    strbuf_free(&text);
}


void
secrets_add_files(struct redactor *redactor, const char *config_path,
    const char *data_path)
{
    char  *path;

    if (config_path != NULL && config_path[0] != '\0') {
        secrets_add_file(redactor, config_path);
    }

    if (data_path != NULL) {
        path = mem_printf("%s/registry.json", data_path);
        secrets_add_file(redactor, path);
        free(path);
    }
}
