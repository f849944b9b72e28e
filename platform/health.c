/* SPDX-License-Identifier: MIT */
/*
 * What the platform says of itself: health, the internal API's handshake, and
 * the start page for browsers.
 */

#include <string.h>

#include "lib/strbuf.h"
#include "platform/resources.h"


#define HEALTH_LINK_MS  2000


static void start_page_plugin(struct strbuf *page, const json_t *plugin);
static void start_page_escape(struct strbuf *page, const char *text);


void
health_get(struct call *call)
{
    char           boot_id[DIRECTORY_BOOT_MAX + 1];
    struct error   err;

    if (store_ping(call->api->store, &err) != MINT_OK) {
        reply_failure(call, &err);
        return;
    }

    directory_boot_id(call->api->directory, boot_id);
    reply_json(call, 200,
               json_pack("{s:s, s:s, s:s}", "status", "healthy", "version",
                         call->api->config->environments.platform_version,
                         "boot_id", boot_id));
}


void
platform_get(struct call *call)
{
    reply_json(call, 200,
               json_pack("{s:s, s:s, s:s, s:b}", "api_version", API_VERSION,
                         "platform_version",
                         call->api->config->environments.platform_version,
                         "min_sdk_version", "1.2.0",
                         /* objects are not built in this version */
                         "cross_plugin_object_writes", 0));
}


/* no script, no style from elsewhere: links to what is installed */

void
start_page_get(struct call *call)
{
    size_t          i;
    json_t         *plugin;
    json_t         *result;
    struct error    err;
    struct strbuf  *page;

    page = &call->reply->body;
    strbuf_puts(page, "<!doctype html>\n<html lang=\"en\">\n<meta "
                "charset=\"utf-8\">\n<title>");
    start_page_escape(page, call->api->config->platform_name);
    strbuf_puts(page, "</title>\n<h1>");
    start_page_escape(page, call->api->config->platform_name);
    strbuf_puts(page, "</h1>\n");

    if (link_ask(call->api->link, "plugins", NULL, HEALTH_LINK_MS, &result,
                 &err)
        == MINT_OK)
    {
        strbuf_puts(page, "<ul>\n");

        json_array_foreach(json_object_get(result, "plugins"), i, plugin) {
            start_page_plugin(page, plugin);
        }

        strbuf_puts(page, "</ul>\n");
        json_decref(result);

    } else {
        strbuf_puts(page, "<p>The supervisor does not answer: the list of "
                    "plugins is not available.</p>\n");
    }

    strbuf_puts(page, "</html>\n");
    call->reply->status = 200;
    call->reply->content_type = "text/html; charset=utf-8";
    http_reply_header(call->reply, "Content-Security-Policy",
                      "default-src 'none'; frame-ancestors 'none'");
    http_reply_header(call->reply, "X-Content-Type-Options", "nosniff");
    http_reply_header(call->reply, "Cache-Control", "no-store");
}


static void
start_page_plugin(struct strbuf *page, const json_t *plugin)
{
    const char  *name;
    const char  *state;
    const char  *prefix;

    name = json_string_value(json_object_get(plugin, "name"));
    state = json_string_value(json_object_get(plugin, "state"));
    prefix = json_string_value(json_object_get(plugin, "routes_prefix"));

    if (name == NULL || prefix == NULL
        || !json_is_true(json_object_get(plugin, "has_frontend")))
    {
        return;
    }

    strbuf_puts(page, "<li><a href=\"");
    start_page_escape(page, prefix);
    strbuf_puts(page, "/\">");
    start_page_escape(page, name);
    strbuf_puts(page, "</a>");

    if (state != NULL && strcmp(state, "ready") != 0) {
        strbuf_puts(page, " (");
        start_page_escape(page, state);
        strbuf_puts(page, ")");
    }

    strbuf_puts(page, "</li>\n");
}


static void
start_page_escape(struct strbuf *page, const char *text)
{
    for ( ; *text != '\0'; text++) {

        switch (*text) {

        case '<':
            strbuf_puts(page, "&lt;");
            break;

        case '>':
            strbuf_puts(page, "&gt;");
            break;

        case '&':
            strbuf_puts(page, "&amp;");
            break;

        case '"':
            strbuf_puts(page, "&quot;");
            break;

        default:
            strbuf_append(page, text, 1);
        }
    }
}
