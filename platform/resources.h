/* SPDX-License-Identifier: MIT */
/*
 * Handlers of the route tables, one file per resource, and the JSON shapes
 * that two of them share.
 */

#ifndef PLATFORM_RESOURCES_H
#define PLATFORM_RESOURCES_H

#include "platform/api.h"


/* health.c */
void health_get(struct call *call);
void platform_get(struct call *call);
void start_page_get(struct call *call);

/* auth.c */
void auth_login(struct call *call);
void auth_verify(struct call *call);
void auth_refresh(struct call *call);
void auth_logout(struct call *call);

/* users.c */
void users_list(struct call *call);
void users_get(struct call *call);
void users_create(struct call *call);
void users_activate(struct call *call);
void users_deactivate(struct call *call);
void users_internal_list(struct call *call);
void users_internal_get(struct call *call);
void users_internal_by_name(struct call *call);
void plugin_roles_get(struct call *call);
json_t *user_json(const struct store_user *user);

/* plugins.c, upload.c, uninstall.c */
void plugins_list(struct call *call);
void plugins_upload(struct call *call);
void plugins_plan(struct call *call);
void plugins_plan_again(struct call *call);
void plugins_uninstall(struct call *call);
void admin_restart(struct call *call);

/* experiments.c: public */
void experiments_list(struct call *call);
void experiments_get(struct call *call);
void experiments_create(struct call *call);

/* experiments_internal.c */
void experiments_internal_list(struct call *call);
void experiments_internal_get(struct call *call);
void experiments_internal_create(struct call *call);
void experiments_internal_update(struct call *call);
void experiments_internal_delete(struct call *call);
void design_get(struct call *call);
void design_put(struct call *call);
void design_delete(struct call *call);

/* settings.c */
void settings_get(struct call *call);
void settings_put(struct call *call);
void settings_snapshot(struct call *call);
void settings_swap(struct call *call);

#endif /* PLATFORM_RESOURCES_H */
