/* SPDX-License-Identifier: MIT */
/*
 * The route tables of both sides.  What is not here answers 501.
 */

#include "platform/resources.h"


/* literal segments before "{...}" ones */

static const struct route  routes_public[] = {
    { "GET", "/", ROUTE_OPEN, NULL, 0, start_page_get,
      "start page: links to the pages of plugins" },
    { "GET", "/api/health", ROUTE_OPEN, NULL, 0, health_get,
      "state, version and boot id" },

    { "POST", "/api/auth/login", ROUTE_OPEN, NULL, API_BODY_MAX, auth_login,
      "user name or e-mail and password to session token" },
    { "GET", "/api/auth/verify", 0, NULL, 0, auth_verify,
      "the session's user and end" },
    { "POST", "/api/auth/refresh", 0, NULL, 0, auth_refresh,
      "a new token for a valid one" },
    { "POST", "/api/auth/logout", ROUTE_OPEN, NULL, 0, auth_logout,
      "ends the session, clears the cookie" },

    { "GET", "/api/plugins", 0, "plugins.view", 0, plugins_list,
      "loaded and installed plugins" },
    { "POST", "/api/plugins/upload", ROUTE_UPLOAD, "plugins.install", 0,
      plugins_upload, "installs a bundle or a wheel (part \"file\")" },
    { "POST", "/api/plugins/plan", ROUTE_UPLOAD, "plugins.install", 0,
      plugins_plan, "what installing it would do (part \"file\")" },
    { "POST", "/api/plugins/{name}/plan", 0, "plugins.install", 0,
      plugins_plan_again, "what deciding again on it would do" },
    { "DELETE", "/api/plugins/{pkg}", 0, "plugins.install", 0,
      plugins_uninstall, "uninstalls a plugin, by its name or its package's" },

    { "POST", "/api/admin/restart", 0, "platform.configure", 0, admin_restart,
      "restarts all plugins, one after the other" },
    { "GET", "/api/admin/users", 0, "users.view", 0, users_list,
      "all users" },
    { "POST", "/api/admin/users", 0, "users.manage", API_BODY_MAX,
      users_create, "creates a user" },
    { "GET", "/api/admin/users/{#id}", 0, "users.view", 0, users_get,
      "one user" },
    { "POST", "/api/admin/users/{#id}/activate", 0, "users.manage", 0,
      users_activate, "lets a user sign in again" },
    { "POST", "/api/admin/users/{#id}/deactivate", 0, "users.manage", 0,
      users_deactivate, "ends a user's sessions and keeps it out" },

    { "GET", "/api/experiments", 0, "experiments.view", 0, experiments_list,
      "experiments, filtered, sorted, in pages" },
    { "POST", "/api/experiments", 0, "experiments.create", API_BODY_MAX,
      experiments_create, "creates an experiment" },
    { "GET", "/api/experiments/{#id}", 0, "experiments.view", 0,
      experiments_get, "one experiment" }
};


static const struct route  routes_internal[] = {
    { "GET", "/api/internal/platform", 0, NULL, 0, platform_get,
      "handshake: versions" },

    { "GET", "/api/internal/plugin-config/{name}", 0, NULL, 0, settings_get,
      "settings without secrets" },
    { "PUT", "/api/internal/plugin-config/{name}", 0, NULL, API_BODY_MAX,
      settings_put, "replaces the keys the plugin owns" },
    { "POST", "/api/internal/plugin-config/{name}/snapshot", 0, NULL,
      API_BODY_MAX, settings_snapshot, "the keys the plugin owns" },
    { "POST", "/api/internal/plugin-config/{name}/compare-and-swap", 0, NULL,
      API_BODY_MAX, settings_swap, "replaces them if they are as expected" },

    { "GET", "/api/internal/experiments", 0, NULL, 0,
      experiments_internal_list, "experiments, filtered, in pages" },
    { "POST", "/api/internal/experiments", 0, NULL, API_BODY_MAX,
      experiments_internal_create, "creates an experiment" },
    { "GET", "/api/internal/experiments/{id}", 0, NULL, 0,
      experiments_internal_get, "one experiment" },
    { "PATCH", "/api/internal/experiments/{id}", 0, NULL, API_BODY_MAX,
      experiments_internal_update, "changes an experiment" },
    { "DELETE", "/api/internal/experiments/{id}", 0, NULL, 0,
      experiments_internal_delete, "deletes an experiment" },

    { "GET", "/api/internal/experiments/{id}/data", 0, NULL, 0, design_get,
      "design data" },
    { "PUT", "/api/internal/experiments/{id}/data", 0, NULL, API_DESIGN_MAX,
      design_put, "writes design data" },
    { "DELETE", "/api/internal/experiments/{id}/data", 0, NULL, 0,
      design_delete, "deletes design data" },

    { "GET", "/api/internal/plugin-roles/{user_id}", 0, NULL, 0,
      plugin_roles_get, "the user's role within the plugin" },

    { "GET", "/api/internal/users", 0, NULL, 0, users_internal_list,
      "users, in pages" },
    { "GET", "/api/internal/users/by-username/{+username}", 0, NULL, 0,
      users_internal_by_name, "one user by name" },
    { "GET", "/api/internal/users/{user_id}", 0, NULL, 0, users_internal_get,
      "one user" }
};


const struct route *
routes_of(enum http_side side, size_t *count_out)
{
    if (side == HTTP_INTERNAL) {
        *count_out = sizeof(routes_internal) / sizeof(routes_internal[0]);
        return routes_internal;
    }

    *count_out = sizeof(routes_public) / sizeof(routes_public[0]);

    return routes_public;
}
