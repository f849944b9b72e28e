/* SPDX-License-Identifier: MIT */
/*
 * Fills in conf/nginx.conf.  Values come from a checked configuration; those
 * that people write are origins and networks, which have no character that
 * means something to nginx.
 */

#include "nginx_conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract/mint_origin.h"
#include "lib/fs.h"


#define NGINX_CONF_TEMPLATE_MAX  (256 * 1024)


static void nginx_conf_value(const struct config *config, const char *prefix,
    const char *access_log, size_t row, struct strbuf *out);
static void nginx_conf_access_log(const char *path, struct strbuf *out);
static void nginx_conf_edge(const struct config *config, struct strbuf *out);
static void nginx_conf_list(const char *directive,
    const struct config_list *list, struct strbuf *out);


enum {
    NGINX_CONF_MODULE = 0,
    NGINX_CONF_RUN_DIRECTORY,
    NGINX_CONF_CONF,
    NGINX_CONF_LISTEN,
    NGINX_CONF_WORKERS,
    NGINX_CONF_PREFIX,
    NGINX_CONF_PID,
    NGINX_CONF_ERROR_LOG,
    NGINX_CONF_EDGE,
    NGINX_CONF_ACCESS_LOG,
    NGINX_CONF_COUNT
};

static const char *const  nginx_conf_names[NGINX_CONF_COUNT] = {
    [NGINX_CONF_MODULE] = "module",
    [NGINX_CONF_RUN_DIRECTORY] = "run_directory",
    [NGINX_CONF_CONF] = "conf",
    [NGINX_CONF_LISTEN] = "listen",
    [NGINX_CONF_WORKERS] = "workers",
    [NGINX_CONF_PREFIX] = "prefix",
    [NGINX_CONF_PID] = "pid",
    [NGINX_CONF_ERROR_LOG] = "error_log",
    [NGINX_CONF_EDGE] = "edge",
    [NGINX_CONF_ACCESS_LOG] = "access_log"
};


int
nginx_conf_write(const struct config *config, const char *prefix,
    const char *access_log, const char *path, struct error *err)
{
    int            rc;
    char          *from;
    struct strbuf  template, text;

    memset(&template, 0, sizeof(template));
    memset(&text, 0, sizeof(text));

    from = mem_printf("%s/conf/nginx.conf", config->server.program_directory);

    rc = fs_read(from, NGINX_CONF_TEMPLATE_MAX, &template, err);

    if (rc == 0) {
        rc = nginx_conf_render(config, prefix, access_log,
                               strbuf_text(&template), &text, err);
    }

    if (rc == 0) {
        rc = fs_write_atomic(path, text.data, text.len, 0644, err);
    }

    strbuf_free(&template);
    strbuf_free(&text);
    free(from);

    return rc;
}


int
nginx_conf_render(const struct config *config, const char *prefix,
    const char *access_log, const char *template, struct strbuf *out,
    struct error *err)
{
    size_t       i, len;
    const char  *p, *start, *end;

    for (p = template; ; p = end + 1) {

        start = strchr(p, '@');

        if (start == NULL) {
            strbuf_puts(out, p);
            return 0;
        }

        strbuf_append(out, p, (size_t) (start - p));
        len = strspn(start + 1, "abcdefghijklmnopqrstuvwxyz_");
        end = start + 1 + len;

        /* "@name" without an end is nginx's own named location */

        if (*end != '@' || len == 0) {
            strbuf_append(out, start, 1);
            end = start;
            continue;
        }

        for (i = 0; i < NGINX_CONF_COUNT; i++) {
            if (strlen(nginx_conf_names[i]) == len
                && memcmp(nginx_conf_names[i], start + 1, len) == 0)
            {
                break;
            }
        }

        if (i == NGINX_CONF_COUNT) {
            return error_set(err, MINT_ERR_INVALID, "nginx.conf: \"@%.*s@\" "
                             "is not known", (int) len, start + 1);
        }

        nginx_conf_value(config, prefix, access_log, i, out);
    }
}


static void
nginx_conf_value(const struct config *config, const char *prefix,
    const char *access_log, size_t row, struct strbuf *out)
{
    switch (row) {

    case NGINX_CONF_MODULE:
        strbuf_printf(out, "%s/module/ngx_http_mint_module.so",
                      config->server.program_directory);
        break;

    case NGINX_CONF_RUN_DIRECTORY:
        strbuf_puts(out, config->server.run_directory);
        break;

    case NGINX_CONF_CONF:
        strbuf_printf(out, "%s/conf", config->server.program_directory);
        break;

    case NGINX_CONF_LISTEN:
        strbuf_printf(out, strchr(config->server.address, ':') != NULL
                      ? "[%s]:%lld" : "%s:%lld", config->server.address,
                      (long long) config->server.port);
        break;

    case NGINX_CONF_WORKERS:
        if (config->nginx.workers == 0) {
            strbuf_puts(out, "auto");
        } else {
            strbuf_printf(out, "%lld", (long long) config->nginx.workers);
        }
        break;

    case NGINX_CONF_PREFIX:
        strbuf_puts(out, prefix);
        break;

    case NGINX_CONF_PID:
        strbuf_printf(out, "%s/nginx.pid", prefix);
        break;

    case NGINX_CONF_ERROR_LOG:
        strbuf_puts(out, "stderr");
        break;

    case NGINX_CONF_EDGE:
        nginx_conf_edge(config, out);
        break;

    case NGINX_CONF_ACCESS_LOG:
        nginx_conf_access_log(access_log, out);
        break;
    }
}


static void
nginx_conf_access_log(const char *path, struct strbuf *out)
{
    if (path == NULL) {
        strbuf_puts(out, "off");
        return;
    }

    strbuf_printf(out, "%s mint buffer=64k flush=500ms", path);
}


/* lists that are not configured have no line: directives want an argument */

static void
nginx_conf_edge(const struct config *config, struct strbuf *out)
{
    int                 len;
    char                text[MINT_ORIGIN_TEXT_MAX];
    const char         *url;
    struct mint_origin  origin;

    /* who asks for a plugin that starts waits as long as it may take */
    strbuf_printf(out, "mint_park start=%llds;\n    ",
                  (long long) config->plugins.ready_deadline_sec);

    url = config->server.external_url;

    if (*url != '\0' && mint_origin_parse_url(url, strlen(url), &origin) > 0) {
        len = mint_origin_text(&origin, text);
        strbuf_printf(out, "mint_external_url %.*s;\n    ", len, text);
    }

    nginx_conf_list("mint_cors_origins", &config->cors_origins, out);
    nginx_conf_list("mint_trusted_proxies", &config->server.trusted_proxies,
                    out);
}


static void
nginx_conf_list(const char *directive, const struct config_list *list,
    struct strbuf *out)
{
    size_t  i;

    if (list->count == 0) {
        return;
    }

    strbuf_puts(out, directive);

    for (i = 0; i < list->count; i++) {
        strbuf_printf(out, " %s", list->item[i]);
    }

    strbuf_puts(out, ";\n    ");
}
