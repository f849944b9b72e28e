/* SPDX-License-Identifier: MIT */
/*
 * What a plugin's process finds in its environment.  Nothing is inherited:
 * what is not here it does not see.
 */

#include <string.h>

#include "contract/mint_keeper.h"
#include "lib/strbuf.h"
#include "job_slots.h"
#include "plugin_environment.h"


/* settings of this plugin only: MINT_PLUGIN_<NAME>__<FIELD> */

static void
plugin_environment_settings(struct environment_block *e,
    const struct plugin *plugin)
{
    char           c;
    size_t         i;
    const char    *name;
    struct strbuf  prefix;

    memset(&prefix, 0, sizeof(prefix));
    strbuf_puts(&prefix, "MINT_PLUGIN_");
    name = plugin->name;

    for (i = 0; name[i] != '\0'; i++) {
        c = name[i];

        if (c >= 'a' && c <= 'z') {
            c = (char) (c - 'a' + 'A');

        } else if (!(c >= '0' && c <= '9')) {
            c = '_';
        }

        strbuf_append(&prefix, &c, 1);
    }

    strbuf_puts(&prefix, "__");
    environment_pass_prefix(e, strbuf_text(&prefix));
    strbuf_free(&prefix);
}


/* anew: of two values of one name Python takes the first */

static void
plugin_environment_begin(struct environment_block *e,
    const struct plugin *plugin, const struct plugin_place *place)
{
    environment_clear(e);

    environment_add(e, "PATH", "%s/bin:/usr/local/bin:/usr/bin:/bin",
                    plugin->environment);
    environment_add(e, "VIRTUAL_ENV", "%s", plugin->environment);
    environment_add(e, "HOME", "%s", place->data);
    environment_add(e, "TMPDIR", "%s", place->tmp);
    environment_add(e, "LANG", "C.UTF-8");
    environment_add(e, "PYTHONUNBUFFERED", "1");

    /* two TLS contexts a process: 0.2 ms each this way, 30 ms by bundle */
    environment_add(e, "SSL_CERT_DIR", "/etc/ssl/certs");

    environment_add(e, "MINT_PLATFORM_URL", "%s", place->platform_url);
    environment_add(e, "MINT_PLATFORM_API_VERSION", "1");
}


static void
plugin_environment_host(struct environment_block *e,
    const struct plugin *plugin, uint32_t generation,
    const struct plugin_place *place, uint32_t listeners)
{
    environment_add(e, "MINT_INSTANCE", "%s.%s.%u", plugin->name, place->seat,
                    generation);
    environment_add(e, "MINT_HOST_REPORT_FD", "%d",
                    MINT_KEEPER_FIRST_FD + (int) listeners);
    environment_add(e, "MINT_HOST_CONTROL_FD", "%d",
                    MINT_KEEPER_FIRST_FD + (int) listeners + 1);
    environment_add(e, "MINT_HOST_BACKLOG", "%u", place->backlog);
    environment_add(e, "MINT_HOST_KEEPALIVE_SEC", "%d", PLUGIN_KEEPALIVE_SEC);
    environment_add(e, "MINT_HOST_GRACEFUL_SEC", "%lld",
                    (long long) place->stop_grace_sec > 3
                    ? (long long) place->stop_grace_sec - 2
                    : 1);

    environment_add(e, "MINT_HOST_STUCK_SEC", "%lld",
                    (long long) place->stuck_sec);
}


void
plugin_environment_make_group(struct environment_block *e,
    const struct plugin *plugin, uint32_t generation,
    const struct plugin_place *place, uint32_t listeners)
{
    plugin_environment_begin(e, plugin, place);
    plugin_environment_host(e, plugin, generation, place, listeners);
    environment_pass(e, "TZ");
}


void
plugin_environment_make(struct environment_block *e,
    const struct plugin *plugin, uint32_t generation,
    const struct plugin_place *place)
{
    plugin_environment_begin(e, plugin, place);

    environment_add(e, "MINT_PLUGIN_TOKEN", "%s", plugin->token);
    environment_add(e, "MINT_PLUGIN_NAME", "%s", plugin->name);
    environment_add(e, "MINT_PLUGIN_ENTRY_POINT", "%s", plugin->entry_point);
    environment_add(e, "MINT_PLUGIN_DISTRIBUTION", "%s",
                    plugin->distribution);
    environment_add(e, "MINT_PLUGIN_VERSION", "%s", plugin->version);
    environment_add(e, "MINT_PLUGIN_DATA_DIR", "%s", place->data);

    environment_add(e, "MINT_HOST_LISTEN_FD", "%d", MINT_KEEPER_FIRST_FD);
    plugin_environment_host(e, plugin, generation, place, 1);

    environment_add(e, JOB_SLOTS_ENV, "%u", place->job_slots);
    environment_pass_prefix(e, "MINT_JOB_");
    environment_pass(e, "MINT_RSCRIPT");
    environment_pass(e, "TZ");
    plugin_environment_settings(e, plugin);
}


char *
plugin_note(const char *environment, uint64_t registered_unix_ms)
{
    const char  *slash;

    slash = strrchr(environment, '/');

    return mem_printf("%s/%llu", slash != NULL ? slash + 1 : environment,
                      (unsigned long long) registered_unix_ms);
}


char *
plugin_note_read(const char *note, const char *beside,
    uint64_t *registered_unix_ms)
{
    size_t       len;
    const char  *slash, *directory;

    *registered_unix_ms = 0;
    slash = note != NULL ? strchr(note, '/') : NULL;
    directory = strrchr(beside, '/');

    if (slash == NULL || slash == note || directory == NULL) {
        return mem_strdup(beside);
    }

    len = (size_t) (directory - beside);
    *registered_unix_ms = strtoull(slash + 1, NULL, 10);

    return mem_printf("%.*s/%.*s", (int) len, beside, (int) (slash - note),
                      note);
}
