/* SPDX-License-Identifier: MIT */
/*
 * The names of environments: everything that decides what is in one, as a
 * hash.
 */

#include "supervisor/plugin/environment_key.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "lib/strbuf.h"
#include "supervisor/plugin/command.h"


static void environment_key_line(struct strbuf *out, const char *line,
    size_t len);


int
environment_key(const char *lock, const char *interpreter, const char *uv,
    char key[ENVIRONMENT_KEY_LENGTH + 1], struct error *err)
{
    int             rc;
    size_t          i, len;
    unsigned        digest_len;
    const char     *line;
    unsigned char   digest[EVP_MAX_MD_SIZE];
    struct strbuf   text;

    memset(&text, 0, sizeof(text));
    strbuf_printf(&text, "%s\n%s\n", interpreter, uv);

    for (line = lock; *line != '\0'; line += len + (line[len] == '\n')) {
        len = strcspn(line, "\n");
        environment_key_line(&text, line, len);
    }

    rc = EVP_Digest(text.data, text.len, digest, &digest_len, EVP_sha256(),
                    NULL) == 1
         ? 0 : error_set(err, MINT_ERR_SYSTEM, "SHA-256 is not available");

    for (i = 0; rc == 0 && i < ENVIRONMENT_KEY_LENGTH / 2; i++) {
        snprintf(key + 2 * i, 3, "%02x", digest[i]);
    }

    strbuf_free(&text);

    return rc;
}


static void
environment_key_line(struct strbuf *out, const char *line, size_t len)
{
    size_t       skip;
    const char  *address, *end, *p;

    skip = 0;

    while (skip < len && (line[skip] == ' ' || line[skip] == '\t')) {
        skip++;
    }

    if (skip == len || line[skip] == '#') {
        return;
    }

    /* "name @ file:///kept/name-1.0-py3-none-any.whl \" */

    end = line + len;
    address = memmem(line, len, " @ file://", strlen(" @ file://"));

    if (address != NULL) {
        address += strlen(" @ ");
        strbuf_append(out, line, (size_t) (address - line));

        for (p = address; p < end && *p != ' '; p++) {
            if (*p == '/') {
                address = p + 1;
            }
        }

        line = address;
    }

    strbuf_append(out, line, (size_t) (end - line));
    strbuf_puts(out, "\n");
}


char *
environment_tool(const char *output)
{
    char         line[ENVIRONMENT_TOOL_MAX + 2];
    const char  *p;

    command_last_line(output, line, sizeof(line));

    for (p = line; *p != '\0'; p++) {
        if (*p < ' ' || *p > '~') {
            return NULL;
        }
    }

    return p > line && (size_t) (p - line) <= ENVIRONMENT_TOOL_MAX
           ? mem_strdup(line) : NULL;
}


bool
environment_key_is_of(const char *directory, const char *name)
{
    size_t       len;
    const char  *base;

    base = strrchr(directory, '/');
    base = base != NULL ? base + 1 : directory;
    len = strlen(name);

    if (strncmp(base, name, len) != 0 || base[len] != '-') {
        return false;
    }

    base += len + 1;
    len = strspn(base, "0123456789abcdef");

    if (len == ENVIRONMENT_KEY_LENGTH && base[len] == '-') {
        base += len + 1;

    } else if (len == ENVIRONMENT_KEY_LENGTH && base[len] == '\0') {
        return true;
    }

    return base[0] != '\0' && base[strspn(base, "0123456789")] == '\0';
}
