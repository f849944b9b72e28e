/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: an uploaded bundle, from its bytes to the unpacked wheels.
 * Whatever comes in, nothing may appear outside the work directory's own two
 * levels.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/strbuf.h"
#include "supervisor/plugin/bundle.h"
#include "supervisor/plugin/wheel.h"


#define FUZZ_INPUT_MAX  65536


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static char  *base;                 /* holds only "work" */


static void
fuzz_end(void)
{
    fs_remove_tree(base, NULL);
    free(base);
}


static void
fuzz_begin(void)
{
    base = mem_strdup(access("/dev/shm", W_OK) == 0
                      ? "/dev/shm/mint-fuzz-XXXXXX" : "/tmp/mint-fuzz-XXXXXX");

    if (mkdtemp(base) == NULL || atexit(fuzz_end) != 0) {
        abort();
    }
}


static void
fuzz_unpack(const char *path, const char *work)
{
    int             rc;
    char           *wheel_path;
    struct error    err;
    struct wheel    wheel;
    struct bundle  *bundle;

    if (bundle_open(&bundle, path, work, &err) != 0) {
        return;
    }

    do {
        rc = bundle_step(bundle, &err);
    } while (rc == 1);

    if (rc == 0) {
        if (strlen(bundle_sha256(bundle)) != 64
            || strchr(bundle_wheel(bundle), '/') != NULL)
        {
            abort();
        }

        wheel_path = mem_printf("%s/%s", work, bundle_wheel(bundle));

        if (!fs_exists(wheel_path)) {
            abort();
        }

        if (wheel_read(&wheel, wheel_path, &err) == 0) {
            wheel_clear(&wheel);
        }

        free(wheel_path);
    }

    bundle_free(&bundle);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int           fd;
    char          path[64], *work;
    struct stat   before, after;

    if (size > FUZZ_INPUT_MAX) {
        return 0;
    }

    if (base == NULL) {
        fuzz_begin();
    }

    fd = memfd_create("bundle", MFD_CLOEXEC);

    if (fd == -1 || write(fd, data, size) != (ssize_t) size) {
        abort();
    }

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    work = mem_printf("%s/work", base);

    if (mkdir(work, 0700) == -1 || stat(base, &before) == -1) {
        abort();
    }

    fuzz_unpack(path, work);

    if (stat(base, &after) == -1
        || before.st_mtim.tv_sec != after.st_mtim.tv_sec
        || before.st_mtim.tv_nsec != after.st_mtim.tv_nsec)
    {
        abort();
    }

    fs_remove_tree(work, NULL);
    free(work);
    close(fd);

    return 0;
}
