/* SPDX-License-Identifier: MIT */
/*
 * The configuration of the managed nginx, from its template.
 */

#ifndef SUPERVISOR_PROCESS_NGINX_CONF_H
#define SUPERVISOR_PROCESS_NGINX_CONF_H

#include "lib/config.h"
#include "lib/strbuf.h"


/* prefix: nginx's own directory; access_log: path, NULL = requests are not
   logged.  An @name@ that is not known is an error */
int nginx_conf_render(const struct config *config, const char *prefix,
    const char *access_log, const char *template, struct strbuf *out,
    struct error *err);

/* the template of the program directory to path */
int nginx_conf_write(const struct config *config, const char *prefix,
    const char *access_log, const char *path, struct error *err);

#endif /* SUPERVISOR_PROCESS_NGINX_CONF_H */
