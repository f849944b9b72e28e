/* SPDX-License-Identifier: MIT */
/*
 * Reads single directives out of nginx configuration files, without nginx.
 */

#ifndef SUPERVISOR_OBSERVE_NGINX_TEXT_H
#define SUPERVISOR_OBSERVE_NGINX_TEXT_H

#include <stdbool.h>
#include <stddef.h>


/*
 * Arguments of the first directive of that name in text, as they are written
 * (blanks become one, quotes stay); false if there is none.  Comments are
 * passed over, blocks are not told apart.
 */
bool nginx_text_directive(const char *text, const char *name, char *out,
    size_t size);

/* "1h30m", "60s", "90", "500ms" as milliseconds; -1 if it is no time */
long nginx_text_ms(const char *text);

#endif /* SUPERVISOR_OBSERVE_NGINX_TEXT_H */
