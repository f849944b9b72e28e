/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: a configuration file and environment entries, separated by
 * NUL.  Whatever comes, there is either a whole configuration within its
 * bounds or an error in words.
 */

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/config_table.h"
#include "lib/text.h"


#define FUZZ_ENTRIES    8
#define FUZZ_INPUT_MAX  8192


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
fuzz_require(int is_so)
{
    if (!is_so) {
        abort();
    }
}


static void
fuzz_check(const struct config *config)
{
    size_t             i;
    const char *const *notice;

    fuzz_require(config->server.port >= 1 && config->server.port <= 65535);
    fuzz_require(config->plugins.uid_first >= 1000);
    fuzz_require(config->plugins.uid_last >= config->plugins.uid_first);
    fuzz_require(config->server.data_path[0] == '/');
    fuzz_require(config->server.run_directory[0] == '/');
    fuzz_require(config->environments.cache_directory[0] == '/');
    fuzz_require(config->plugins.venv_directory[0] == '/');
    fuzz_require(config->environments.platform_version[0] != '\0');
    fuzz_require(strpbrk(config->server.address, " ;\n{}\"'") == NULL);
    fuzz_require(strpbrk(config->server.external_url, " \n\"{}") == NULL);
    fuzz_require(strpbrk(config->server.data_path, "\n\r") == NULL);
    fuzz_require(text_is_utf8(config->platform_name));

    for (i = 0; i < config->plugins.extra_index_urls.count; i++) {
        fuzz_require(strncmp(config->plugins.extra_index_urls.item[i],
                             "http", 4) == 0);
    }

    for (notice = config_notices(config); *notice != NULL; notice++) {
        fuzz_require(text_is_utf8(*notice));
    }
}


/* a file without a name in any directory */

static void
fuzz_load(const char *text, size_t len, char **environment)
{
    int             fd, rc;
    char            path[64];
    struct error    err;
    struct config  *config;

    fd = memfd_create("config", MFD_CLOEXEC);
    fuzz_require(fd != -1 && write(fd, text, len) == (ssize_t) len);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);

    config = NULL;
    memset(&err, 0, sizeof(err));
    rc = config_load(&config, path, environment, &err);
    close(fd);

    if (rc != 0) {
        fuzz_require(config == NULL && err.code == rc);
        fuzz_require(err.text[0] != '\0' && text_is_utf8(err.text));
        return;
    }

    fuzz_check(config);
    config_free(&config);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char    *copy, *entry, *end;
    char    *environment[FUZZ_ENTRIES + 1] = { NULL };
    size_t   i;

    if (size > FUZZ_INPUT_MAX) {
        return 0;
    }

    copy = malloc(size + 1);
    fuzz_require(copy != NULL);
    memcpy(copy, data, size);
    copy[size] = '\0';
    end = copy + size;

    for (i = 0, entry = copy + strlen(copy);
         i < FUZZ_ENTRIES && entry < end;
         i++, entry += strlen(entry))
    {
        environment[i] = ++entry;
    }

    fuzz_load(copy, strlen(copy), environment);
    free(copy);

    return 0;
}
