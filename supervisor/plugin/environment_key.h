/* SPDX-License-Identifier: MIT */
/*
 * What makes two environments the same: the lock, the interpreter and the uv
 * that unpacks the wheels.
 */

#ifndef SUPERVISOR_PLUGIN_ENVIRONMENT_KEY_H
#define SUPERVISOR_PLUGIN_ENVIRONMENT_KEY_H

#include <stdbool.h>

#include "lib/error.h"


#define ENVIRONMENT_KEY_LENGTH  16
#define ENVIRONMENT_TOOL_MAX    255


/*
 * The first 16 hex digits of the SHA-256 of the three.  Comments of the lock
 * do not count (they name the directory it was made in), nor where a wheel
 * lies: its hash does.
 */
int environment_key(const char *lock, const char *interpreter,
    const char *uv, char key[ENVIRONMENT_KEY_LENGTH + 1], struct error *err);

/* the last line of a command's output that says what a tool is: printable
   ASCII, at most 255 bytes; NULL if it is not; mem_alloc */
char *environment_tool(const char *output);

/* is it <name>-<key>, <name>-<key>-<number>, or <name>-<number> as earlier
   versions had it? */
bool environment_key_is_of(const char *directory, const char *name);

#endif /* SUPERVISOR_PLUGIN_ENVIRONMENT_KEY_H */
