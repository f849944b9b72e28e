/* SPDX-License-Identifier: MIT */
/*
 * What "nginx -t" says of the configuration as a whole, once all of it is
 * known: one line each, with the file and line it is about.
 */

#include "ngx_http_mint.h"

#include <fcntl.h>


#define NGX_HTTP_MINT_CONFIG_PER_SEAT  4    /* idle connections to keep */
#define NGX_HTTP_MINT_CONFIG_CHUNK     64   /* records read at a time */


static void ngx_http_mint_config_notice(ngx_conf_t *cf,
    ngx_http_mint_main_conf_t *mcf);
static void ngx_http_mint_config_keepalive(ngx_conf_t *cf,
    ngx_http_mint_main_conf_t *mcf, ngx_http_upstream_srv_conf_t *uscf);
static ngx_uint_t ngx_http_mint_config_slots(ngx_conf_t *cf,
    ngx_http_mint_main_conf_t *mcf);
static ngx_uint_t ngx_http_mint_config_count(ngx_fd_t fd);


ngx_int_t
ngx_http_mint_config_check(ngx_conf_t *cf)
{
    ngx_uint_t                       i;
    ngx_http_mint_srv_conf_t        *scf;
    ngx_http_mint_main_conf_t       *mcf;
    ngx_http_upstream_srv_conf_t   **uscfp;
    ngx_http_upstream_main_conf_t   *umcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_mint_module);
    umcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_upstream_module);
    uscfp = umcf->upstreams.elts;

    ngx_http_mint_config_notice(cf, mcf);

    for (i = 0; i < umcf->upstreams.nelts; i++) {

        if (uscfp[i]->srv_conf == NULL) {
            continue;
        }

        scf = ngx_http_conf_upstream_srv_conf(uscfp[i], ngx_http_mint_module);

        if (!scf->has_seats) {
            continue;
        }

        /* one written after ours replaces it with only a warning */

        if (!scf->is_ready) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "another balancing method in upstream \"%V\" "
                          "replaces \"mint_seats\" in %s:%ui",
                          &uscfp[i]->host, uscfp[i]->file_name,
                          uscfp[i]->line);
            return NGX_ERROR;
        }

        ngx_http_mint_config_keepalive(cf, mcf, uscfp[i]);
    }

    return NGX_OK;
}


/* the run files are made by the supervisor: without them nginx starts, too */

static void
ngx_http_mint_config_notice(ngx_conf_t *cf, ngx_http_mint_main_conf_t *mcf)
{
    ngx_file_info_t  info;

    if (mcf->is_used
        && ngx_file_info(mcf->directory.data, &info) == NGX_FILE_ERROR)
    {
        ngx_log_error(NGX_LOG_NOTICE, cf->log, ngx_errno,
                      "mint: no run directory \"%V\" yet: requests get 503 "
                      "until mint-supervisor has made it", &mcf->directory);
    }
}


/*
 * One cache for all seats.  How many there are is known from the run files as
 * they are now; where they cannot be read nothing is said.
 */

static void
ngx_http_mint_config_keepalive(ngx_conf_t *cf, ngx_http_mint_main_conf_t *mcf,
    ngx_http_upstream_srv_conf_t *uscf)
{
    ngx_uint_t  kept, slots;

    kept = ngx_http_mint_compat_keepalive(uscf);

    if (kept == 0) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "no \"keepalive\" in upstream \"%V\": each request "
                      "opens a connection, in %s:%ui", &uscf->host,
                      uscf->file_name, uscf->line);
        return;
    }

    slots = ngx_http_mint_config_slots(cf, mcf);

    if (kept < slots * NGX_HTTP_MINT_CONFIG_PER_SEAT) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "\"keepalive %ui\" in upstream \"%V\" is too small for "
                      "%ui seats: use %ui or more, in %s:%ui", kept,
                      &uscf->host, slots,
                      slots * NGX_HTTP_MINT_CONFIG_PER_SEAT, uscf->file_name,
                      uscf->line);
    }
}


/* slots that have, or had, a process; 0 if that cannot be known */

static ngx_uint_t
ngx_http_mint_config_slots(ngx_conf_t *cf, ngx_http_mint_main_conf_t *mcf)
{
    u_char      *path;
    ngx_fd_t     fd;
    ngx_uint_t   slots;

    path = ngx_pnalloc(cf->temp_pool, mcf->directory.len + 1
                                      + sizeof(MINT_RUN_SEATS_NAME));
    if (path == NULL) {
        return 0;
    }

    ngx_sprintf(path, "%V/%s%Z", &mcf->directory, MINT_RUN_SEATS_NAME);

    fd = open((const char *) path, O_RDONLY|O_CLOEXEC|O_NOFOLLOW|O_NONBLOCK);

    if (fd == NGX_INVALID_FILE) {
        return 0;
    }

    slots = ngx_http_mint_config_count(fd);

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ALERT, cf->log, ngx_errno,
                      ngx_close_file_n " \"%s\" failed", path);
    }

    return slots;
}


/* read, not mapped: the master has no part in the workers' shared memory */

static ngx_uint_t
ngx_http_mint_config_count(ngx_fd_t fd)
{
    size_t                   i, n;
    off_t                    at;
    ssize_t                  got;
    uint32_t                 left;
    ngx_uint_t               slots;
    struct mint_seat         seats[NGX_HTTP_MINT_CONFIG_CHUNK];
    struct mint_run_header   header;

    if (pread(fd, &header, sizeof(header), 0) != (ssize_t) sizeof(header)
        || header.magic != MINT_RUN_MAGIC
        || header.kind != MINT_RUN_SEATS
        || header.abi_major != MINT_RUN_ABI_MAJOR)
    {
        return 0;
    }

    slots = 0;
    at = (off_t) header.section[MINT_SEATS_SECTION_SEATS];
    left = header.capacity[MINT_SEATS_CAPACITY_SEATS];

    while (left >= 2) {
        n = ngx_min(left, NGX_HTTP_MINT_CONFIG_CHUNK) & ~(size_t) 1;
        got = pread(fd, seats, n * sizeof(struct mint_seat), at);

        if (got != (ssize_t) (n * sizeof(struct mint_seat))) {
            break;
        }

        for (i = 0; i < n; i += 2) {
            slots += mint_seat_state(seats[i].word) != MINT_SEAT_EMPTY
                     || mint_seat_state(seats[i + 1].word) != MINT_SEAT_EMPTY;
        }

        at += got;
        left -= n;
    }

    return slots;
}
