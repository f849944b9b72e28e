/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: an entry of uv's cache.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/plugin/uv_cache.h"


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t             i;
    struct uv_release  release;

    if (uv_release_parse(&release, data, size) != 0) {
        if (release.name != NULL || release.requires.count > 0) {
            abort();
        }

        return 0;
    }

    /* whatever is told of lies in what was read */

    for (i = 0; i < release.requires.count; i++) {
        if (strlen(release.requires.item[i]) > size) {
            abort();
        }
    }

    if (release.name[0] == '\0' || strchr(release.name, '/') != NULL) {
        abort();
    }

    uv_release_clear(&release);

    return 0;
}
