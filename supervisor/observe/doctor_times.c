/* SPDX-License-Identifier: MIT */
/*
 * Time-outs against each other: of nginx's configuration, of the plugins'
 * server, of our own.  A pair in the wrong order loses requests now and then,
 * which nobody finds by looking at one of them.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "lib/fs.h"
#include "lib/strbuf.h"
#include "nginx_text.h"


#define DOCTOR_CONF_MAX  (1024 * 1024)


enum doctor_time {
    TIME_PARK_START = 0,
    TIME_READY,
    TIME_UPSTREAM_KEEPALIVE,
    TIME_PLUGIN_KEEPALIVE_HALF,
    TIME_READ,
    TIME_MINUTE,
    TIME_WEBSOCKET,
    TIME_PING_TWICE,
    TIME_STOP_GRACE,
    TIME_THREE_SECONDS,
    TIME_COUNT
};


static const char *const  doctor_time_names[TIME_COUNT] = {
    [TIME_PARK_START] = "mint_park start=",
    [TIME_READY] = "plugins.readyDeadlineSeconds",
    [TIME_UPSTREAM_KEEPALIVE] = "keepalive_timeout in upstream mint",
    [TIME_PLUGIN_KEEPALIVE_HALF] = "half of what plugins keep a connection",
    [TIME_READ] = "proxy_read_timeout",
    [TIME_MINUTE] = "a minute",
    [TIME_WEBSOCKET] = "mint_websocket_timeout",
    [TIME_PING_TWICE] = "two pings of a plugin's WebSocket",
    [TIME_STOP_GRACE] = "plugins.stopGraceSeconds",
    [TIME_THREE_SECONDS] = "three seconds"
};


/* the first must not be shorter than the second */

static const struct {
    enum doctor_time    longer;
    enum doctor_time    shorter;
    enum doctor_level   level;
    const char         *why;
    const char         *fix;
}  doctor_time_rules[] = {
    { TIME_PARK_START, TIME_READY, DOCTOR_ERROR,
      "requests for a plugin that starts are refused before it may be ready",
      "set \"mint_park start=...;\" to plugins.readyDeadlineSeconds" },
    { TIME_PLUGIN_KEEPALIVE_HALF, TIME_UPSTREAM_KEEPALIVE, DOCTOR_ERROR,
      "a request may be sent on a connection that the plugin just closes",
      "lower keepalive_timeout in mint-upstream.conf" },
    { TIME_READ, TIME_MINUTE, DOCTOR_WARN,
      "an analysis that is silent for longer is cut off",
      "raise proxy_read_timeout in mint-proxy.conf" },
    { TIME_WEBSOCKET, TIME_PING_TWICE, DOCTOR_ERROR,
      "idle WebSockets are closed between two pings",
      "raise mint_websocket_timeout" },
    { TIME_STOP_GRACE, TIME_THREE_SECONDS, DOCTOR_WARN,
      "requests that are being answered are cut off at a restart",
      "raise plugins.stopGraceSeconds" },
};


/* of the first file that has the directive; default_ms if none has */

static long
doctor_directive(const char *const *paths, const char *name,
    const char *prefix, long default_ms)
{
    char           value[256], *part;
    long           ms;
    struct strbuf  text = { 0 };

    ms = default_ms;

    for ( /* void */ ; *paths != NULL; paths++) {
        strbuf_clear(&text);

        if (fs_read(*paths, DOCTOR_CONF_MAX, &text, NULL) != 0
            || !nginx_text_directive(strbuf_text(&text), name, value,
                                     sizeof(value)))
        {
            continue;
        }

        part = strstr(value, prefix);

        if (part != NULL) {
            part += strlen(prefix);
            part[strcspn(part, " ")] = '\0';
            ms = nginx_text_ms(part);
        }

        break;
    }

    strbuf_free(&text);

    return ms;
}


/* the files of the nginx that is in use; those of an own one are where
   conf/mint.conf says */

static void
doctor_conf_paths(const struct doctor *doctor, char *paths[4])
{
    bool         is_managed;
    const char  *conf;

    is_managed = doctor_flag(doctor, "nginx.managed");
    conf = doctor_text(doctor, "program_directory");

    paths[0] = is_managed
               ? mem_printf("%s/nginx.conf", doctor_text(doctor,
                                                         "run_directory"))
               : mem_strdup("/etc/nginx/conf.d/mint.conf");
    paths[1] = is_managed ? mem_printf("%s/conf/mint-proxy.conf", conf)
                          : mem_strdup("/etc/nginx/mint/mint-proxy.conf");
    paths[2] = is_managed ? mem_printf("%s/conf/mint-upstream.conf", conf)
                          : mem_strdup("/etc/nginx/mint/mint-upstream.conf");
    paths[3] = NULL;
}


void
doctor_check_times(struct doctor *doctor)
{
    char        *paths[4];
    long         ms[TIME_COUNT];
    size_t       i, before;

    doctor_conf_paths(doctor, paths);

    ms[TIME_PARK_START] = doctor_directive((const char *const *) paths,
                                           "mint_park", "start=", 60000);
    ms[TIME_READY] = doctor_number(doctor,
                                   "plugins.ready_deadline_seconds") * 1000;
    ms[TIME_UPSTREAM_KEEPALIVE] = doctor_directive(
        (const char *const *) &paths[2], "keepalive_timeout", "", 60000);
    ms[TIME_PLUGIN_KEEPALIVE_HALF] =
        doctor_number(doctor, "plugins.keepalive_seconds") * 500;
    ms[TIME_READ] = doctor_directive((const char *const *) paths,
                                     "proxy_read_timeout", "", 60000);
    ms[TIME_MINUTE] = 60000;
    ms[TIME_WEBSOCKET] = doctor_directive((const char *const *) paths,
                                          "mint_websocket_timeout", "",
                                          3600000);
    ms[TIME_PING_TWICE] = 40000;
    ms[TIME_STOP_GRACE] = doctor_number(doctor,
                                        "plugins.stop_grace_seconds") * 1000;
    ms[TIME_THREE_SECONDS] = 3000;

    for (i = 0; i < 3; i++) {
        free(paths[i]);
    }

    before = json_array_size(doctor->findings);

    for (i = 0; i < sizeof(doctor_time_rules) / sizeof(doctor_time_rules[0]);
         i++)
    {
        if (ms[doctor_time_rules[i].longer]
            >= ms[doctor_time_rules[i].shorter])
        {
            continue;
        }

        doctor_say(doctor, doctor_time_rules[i].level,
                   doctor_time_rules[i].fix, "%s (%ld s) is shorter than %s "
                   "(%ld s): %s",
                   doctor_time_names[doctor_time_rules[i].longer],
                   ms[doctor_time_rules[i].longer] / 1000,
                   doctor_time_names[doctor_time_rules[i].shorter],
                   ms[doctor_time_rules[i].shorter] / 1000,
                   doctor_time_rules[i].why);
    }

    if (json_array_size(doctor->findings) == before) {
        doctor_say(doctor, DOCTOR_OK, NULL, "plugins have %ld s to become "
                   "ready, %ld s to stop; silence of %ld s is waited for",
                   ms[TIME_READY] / 1000, ms[TIME_STOP_GRACE] / 1000,
                   ms[TIME_READ] / 1000);
    }
}
