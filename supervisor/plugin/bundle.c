/* SPDX-License-Identifier: MIT */
/*
 * Unpacking bundles.  The archive is read twice: once for names and the
 * manifest (cheap, no wheel is unpacked), then for the wheels that the
 * manifest names.  Other files at its root are left alone.
 */

#include "supervisor/plugin/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/strbuf.h"
#include "supervisor/plugin/bundle_manifest.h"
#include "supervisor/plugin/wheel.h"
#include "supervisor/plugin/zip.h"


#define BUNDLE_ENTRIES_MAX   200
#define BUNDLE_BYTES_MAX     (2ULL << 30)
#define BUNDLE_MANIFEST_MAX  (1024 * 1024)
#define BUNDLE_SHA256_BYTES  32


struct bundle {
    char         *path;
    char         *directory;
    bool          is_wheel;

    struct bundle_manifest  manifest;

    struct zip   *zip;              /* second reading, or NULL */
    int           in;               /* a plain wheel, or -1 */
    int           out;              /* the file being written, or -1 */
    bool          out_is_main;
    size_t        written;          /* files complete so far */
    EVP_MD_CTX   *digest;
    char          sha256[2 * BUNDLE_SHA256_BYTES + 1];
};


static int bundle_open_wheel(struct bundle *bundle, struct error *err);
static int bundle_open_mint(struct bundle *bundle, struct error *err);
static int bundle_scan(struct bundle *bundle, struct zip *zip,
    struct strbuf *manifest, struct error *err);
static int bundle_piece(struct bundle *bundle, const void **data,
    char *buffer, int64_t *n, struct error *err);
static int bundle_next_file(struct bundle *bundle, struct error *err);
static int bundle_create(struct bundle *bundle, const char *name,
    bool is_main, struct error *err);
static int bundle_write(struct bundle *bundle, const void *data, size_t len,
    struct error *err);
static int bundle_close_file(struct bundle *bundle, struct error *err);


int
bundle_open(struct bundle **out, const char *path, const char *directory,
    struct error *err)
{
    int             rc;
    size_t          len;
    struct bundle  *bundle;

    len = strlen(path);

    bundle = mem_alloc(sizeof(struct bundle));
    bundle->path = mem_strdup(path);
    bundle->directory = mem_strdup(directory);
    bundle->is_wheel = len > 4 && strcmp(path + len - 4, ".whl") == 0;
    bundle->in = -1;
    bundle->out = -1;
    bundle->digest = EVP_MD_CTX_new();

    if (bundle->digest == NULL
        || EVP_DigestInit_ex(bundle->digest, EVP_sha256(), NULL) != 1)
    {
        bundle_free(&bundle);
        return error_set(err, MINT_ERR_MEMORY, "SHA-256 cannot be used");
    }

    rc = bundle->is_wheel ? bundle_open_wheel(bundle, err)
                          : bundle_open_mint(bundle, err);

    if (rc != 0) {
        bundle_free(&bundle);
        return rc;
    }

    *out = bundle;

    return 0;
}


void
bundle_free(struct bundle **bundle)
{
    struct bundle  *b;

    b = *bundle;

    if (b == NULL) {
        return;
    }

    if (b->in != -1) {
        close(b->in);
    }

    if (b->out != -1) {
        close(b->out);
    }

    zip_free(&b->zip);
    EVP_MD_CTX_free(b->digest);
    bundle_manifest_clear(&b->manifest);
    free(b->directory);
    free(b->path);
    free(b);

    *bundle = NULL;
}


const char *
bundle_complaint(const struct bundle *bundle)
{
    return bundle->is_wheel ? "Invalid wheel" : "Invalid .mint bundle";
}


const char *
bundle_name(const struct bundle *bundle)
{
    return bundle->manifest.name;
}


const char *
bundle_requires_mint(const struct bundle *bundle)
{
    return bundle->manifest.requires_mint;
}


const char *
bundle_wheel(const struct bundle *bundle)
{
    return bundle->manifest.wheel;
}


const char *
bundle_sha256(const struct bundle *bundle)
{
    return bundle->sha256;
}


size_t
bundle_extra_count(const struct bundle *bundle)
{
    return bundle->manifest.extra_count;
}


const char *
bundle_extra(const struct bundle *bundle, size_t i)
{
    return bundle->manifest.extra[i];
}


static int
bundle_open_wheel(struct bundle *bundle, struct error *err)
{
    int          rc;
    char        *distribution, *version;
    const char  *name;

    name = strrchr(bundle->path, '/');
    name = name != NULL ? name + 1 : bundle->path;

    rc = wheel_parse_name(name, &distribution, &version, err);

    if (rc != 0) {
        error_prefix(err, "Invalid wheel");
        return rc;
    }

    free(distribution);
    free(version);

    bundle->manifest.name = mem_strdup("");
    bundle->manifest.requires_mint = mem_strdup("");
    bundle->manifest.wheel = mem_strdup(name);
    bundle->in = open(bundle->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK
                      | O_NOCTTY);

    if (bundle->in == -1) {
        return error_set_errno(err, "open(\"%s\") failed", bundle->path);
    }

    return bundle_create(bundle, name, true, err);
}


static const struct zip_limits  bundle_limits = {
    .entries = BUNDLE_ENTRIES_MAX,
    .total_bytes = BUNDLE_BYTES_MAX,
    .root_only = true
};


static int
bundle_open_mint(struct bundle *bundle, struct error *err)
{
    int             rc;
    struct zip     *zip;
    struct strbuf   manifest;

    memset(&manifest, 0, sizeof(manifest));

    rc = zip_open(&zip, bundle->path, &bundle_limits, err);

    if (rc == 0) {
        rc = bundle_scan(bundle, zip, &manifest, err);
        zip_free(&zip);
    }

    strbuf_free(&manifest);

    if (rc == 0) {
        rc = zip_open(&bundle->zip, bundle->path, &bundle_limits, err);
    }

    if (rc == MINT_ERR_INVALID || rc == MINT_ERR_FULL) {
        error_prefix(err, "%s", bundle_complaint(bundle));
    }

    return rc;
}


static int
bundle_scan(struct bundle *bundle, struct zip *zip, struct strbuf *manifest,
    struct error *err)
{
    int          rc;
    bool         found;
    const char  *name;

    found = false;

    while ((rc = zip_next(zip, &name, err)) == 1) {
        if (strcmp(name, "manifest.json") != 0) {
            continue;
        }

        found = true;
        rc = zip_read_text(zip, "manifest.json", BUNDLE_MANIFEST_MAX,
                           manifest, err);
        if (rc != 0) {
            return rc;
        }
    }

    if (rc != 0) {
        return rc;
    }

    if (!found) {
        return error_set(err, MINT_ERR_INVALID,
                         "bundle has no manifest.json");
    }

    return bundle_manifest_parse(&bundle->manifest, manifest, err);
}


int
bundle_step(struct bundle *bundle, struct error *err)
{
    int          rc;
    char         buffer[65536];
    size_t       done;
    int64_t      n;
    const void  *data;

    for (done = 0; done < BUNDLE_STEP_BYTES; done += (size_t) n) {
        n = 0;

        if (bundle->out == -1) {
            rc = bundle_next_file(bundle, err);

            if (rc != 1) {
                goto done;
            }
        }

        rc = bundle_piece(bundle, &data, buffer, &n, err);

        if (rc == 0 && n > 0) {
            rc = bundle_write(bundle, data, (size_t) n, err);

        } else if (rc == 0) {
            rc = bundle_close_file(bundle, err);
        }

        if (rc != 0) {
            goto done;
        }
    }

    return 1;

done:

    if (rc == MINT_ERR_INVALID) {
        error_prefix(err, "%s", bundle_complaint(bundle));
    }

    return rc;
}


static int
bundle_piece(struct bundle *bundle, const void **data, char *buffer,
    int64_t *n, struct error *err)
{
    if (bundle->in == -1) {
        *n = zip_read(bundle->zip, data, err);
        return *n < 0 ? (int) *n : 0;
    }

    do {
        *n = read(bundle->in, buffer, 65536);
    } while (*n == -1 && errno == EINTR);

    if (*n == -1) {
        return error_set_errno(err, "read(\"%s\") failed", bundle->path);
    }

    *data = buffer;

    return 0;
}


/* 1: a file is open for writing, 0: there are no more */

static int
bundle_next_file(struct bundle *bundle, struct error *err)
{
    int          rc;
    bool         is_main;
    size_t       i;
    const char  *name;

    if (bundle->in != -1) {
        return 0;
    }

    while ((rc = zip_next(bundle->zip, &name, err)) == 1) {
        is_main = strcmp(name, bundle->manifest.wheel) == 0;

        for (i = 0; !is_main && i < bundle->manifest.extra_count; i++) {
            if (strcmp(name, bundle->manifest.extra[i]) == 0) {
                break;
            }
        }

        if (is_main || i < bundle->manifest.extra_count) {
            rc = bundle_create(bundle, name, is_main, err);
            return rc == 0 ? 1 : rc;
        }
    }

    if (rc == 0 && bundle->sha256[0] == '\0') {
        return error_set(err, MINT_ERR_INVALID, "it lacks \"%.255s\", the main "
                         "wheel of its manifest", bundle->manifest.wheel);
    }

    if (rc == 0 && bundle->written < bundle->manifest.extra_count + 1) {
        return error_set(err, MINT_ERR_INVALID, "it lacks one of the wheels in "
                         "wheels.dependencies of its manifest");
    }

    return rc;
}


static int
bundle_create(struct bundle *bundle, const char *name, bool is_main,
    struct error *err)
{
    int    rc;
    char  *path;

    if (!is_main) {
        path = mem_printf("%s/wheels", bundle->directory);
        rc = mkdir(path, 0700);
        free(path);

        if (rc == -1 && errno != EEXIST) {
            return error_set_errno(err, "mkdir(\"%s/wheels\") failed",
                                   bundle->directory);
        }
    }

    path = mem_printf("%s/%s%s", bundle->directory, is_main ? "" : "wheels/",
                      name);

    bundle->out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC
                       | O_NOFOLLOW, 0600);
    bundle->out_is_main = is_main;
    rc = 0;

    if (bundle->out == -1) {
        rc = error_set_errno(err, "open(\"%s\") failed", path);
    }

    free(path);

    return rc;
}


static int
bundle_write(struct bundle *bundle, const void *data, size_t len,
    struct error *err)
{
    ssize_t      n;
    const char  *p;

    if (bundle->out_is_main
        && EVP_DigestUpdate(bundle->digest, data, len) != 1)
    {
        return error_set(err, MINT_ERR_MEMORY, "SHA-256 failed");
    }

    for (p = data; len > 0; p += n, len -= (size_t) n) {
        n = write(bundle->out, p, len);

        if (n == -1 && errno == EINTR) {
            n = 0;

        } else if (n == -1) {
            return error_set_errno(err, "writing below \"%s\" failed",
                                   bundle->directory);
        }
    }

    return 0;
}


static int
bundle_close_file(struct bundle *bundle, struct error *err)
{
    int            fd;
    unsigned       i;
    unsigned char  digest[EVP_MAX_MD_SIZE];

    if (bundle->out_is_main) {
        if (EVP_DigestFinal_ex(bundle->digest, digest, NULL) != 1) {
            return error_set(err, MINT_ERR_MEMORY, "SHA-256 failed");
        }

        for (i = 0; i < BUNDLE_SHA256_BYTES; i++) {
            snprintf(bundle->sha256 + 2 * i, 3, "%02x", digest[i]);
        }
    }

    fd = bundle->out;
    bundle->out = -1;
    bundle->written++;

    if (close(fd) == -1) {
        return error_set_errno(err, "closing a file below \"%s\" failed",
                               bundle->directory);
    }

    return 0;
}
