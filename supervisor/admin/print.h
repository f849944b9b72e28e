/* SPDX-License-Identifier: MIT */
/*
 * Results of the admin protocol for people: lines and tables on stdout.  What
 * a result lacks is left out; nothing here fails.
 */

#ifndef SUPERVISOR_ADMIN_PRINT_H
#define SUPERVISOR_ADMIN_PRINT_H

#include <jansson.h>
#include <stdbool.h>


void print_status(json_t *result);
void print_plugins(json_t *result);
void print_top(json_t *result);             /* of "plugins" */
void print_explain(json_t *result);
void print_restart(json_t *result);
void print_start(json_t *result);
void print_halt(json_t *result);
void print_uninstall(json_t *result);
void print_upgrade(json_t *result);
void print_reload(json_t *result);
void print_history(json_t *result);
void print_restart_all(json_t *result);
void print_install(json_t *result);
void print_plan(json_t *result);
void print_plan_again(json_t *result);
void print_nothing(json_t *result);

/* why shared or isolated: a sentence, then indented a line for each
   requirement and what was said to it; of "explain" and "plan" */
void print_decision(json_t *result);

/* text of a member, or "" */
const char *print_text(json_t *object, const char *name);

#endif /* SUPERVISOR_ADMIN_PRINT_H */
