/* SPDX-License-Identifier: MIT */
/*
 * A plugin's history: every change of the state of the plugin, of its move and
 * of its processes, with the cause.
 */

#include <string.h>

#include "lib/fs.h"
#include "plugin_group.h"
#include "plugin_history.h"


static const char *const  plugin_history_causes[MINT_CAUSE_COUNT] = {
    "none", "first start", "crash", "restart", "failed", "stopped",
    "installing", "upgrade"
};


static void
plugin_history_put(json_t *record, const char *key, const char *text)
{
    if (text != NULL && text[0] != '\0') {
        json_object_set_new(record, key, json_string(text));
    }
}


/* of the process: what all of it have in common is in each one's */

static void
plugin_history_add(struct plugin_process *p, json_t *record)
{
    if (p->group != NULL) {
        plugin_group_history(p, record);
    }

    history_add(p->history, record);
}


void
plugin_history_process(struct plugin_seat *seat)
{
    json_t              *record;
    enum service_state   state;

    state = service_state(seat->service);

    if (state == seat->told) {
        return;
    }

    record = json_pack("{s:s, s:s, s:I, s:i, s:s, s:s, s:s, s:i}",
        "subject", "process",
        "seat", seat->place,
        "generation", (json_int_t) service_generation(seat->service),
        "pid", service_pid(seat->service),
        "from", service_state_name(seat->told),
        "to", service_state_name(state),
        "cause", plugin_history_causes[service_cause(seat->service)],
        "restarts", (int) service_restarts(seat->service));

    plugin_history_put(record, "text", service_error(seat->service)[0] != '\0'
                       ? service_error(seat->service)
                       : state == SERVICE_DOWN
                         ? service_last_exit(seat->service) : NULL);
    plugin_history_put(record, "traceback",
                       service_traceback(seat->service));

    seat->told = state;
    plugin_history_add(seat->owner, record);
}


void
plugin_history_move(struct plugin_process *p, enum plugin_move_state from)
{
    json_t                    *record;
    const struct plugin_move  *move;

    move = &p->move;

    record = json_pack("{s:s, s:s, s:s, s:s, s:b}",
        "subject", "move",
        "from", plugin_move_state_name(from),
        "to", plugin_move_state_name(move->state),
        "cause", plugin_history_causes[move->cause],
        "now", move->is_now);

    plugin_history_put(record, "old",
                       move->old != NULL ? move->old->place : NULL);
    plugin_history_put(record, "fresh",
                       move->fresh != NULL ? move->fresh->place : NULL);
    plugin_history_put(record, "text", move->error);
    plugin_history_put(record, "traceback", move->traceback);

    if (move->is_again) {
        plugin_history_put(record, "again",
                           plugin_history_causes[move->again_cause]);
        json_object_set_new(record, "again_now",
                            json_boolean(move->is_again_now));
    }

    /* no "text", which is an error for the next supervisor */

    if (from == move->state && move->error == NULL) {
        plugin_history_put(record, "note",
                           move->is_again ? "wanted once more"
                           : move->is_now ? "wanted at once" : NULL);
    }

    plugin_history_add(p, record);
}


void
plugin_history_plugin(struct plugin_process *p, struct plugin *plugin,
    struct history *history, enum plugin_state to, const char *text)
{
    json_t      *record;
    const char  *cause;

    if (to == plugin->state) {
        return;
    }

    cause = p->all->is_stopping ? "system stop"
            : plugin_history_causes[service_cause(p->current->service)];

    record = json_pack("{s:s, s:s, s:s, s:s, s:s}",
        "subject", "plugin",
        "from", plugin_state_name(plugin->state),
        "to", plugin_state_name(to),
        "cause", cause,
        "version", plugin->version);

    plugin_history_put(record, "text", text);
    history_add(history, record);
}


/* ---- for a new supervisor ------------------------------------------- */

static enum mint_seat_cause
plugin_history_wanted(const char *cause)
{
    return strcmp(cause, plugin_history_causes[MINT_CAUSE_UPGRADING]) == 0
           ? MINT_CAUSE_UPGRADING : MINT_CAUSE_RESTART;
}


/* what was wanted of a move that is under way, besides what is seen */

void
plugin_history_restore_wishes(struct plugin_process *p)
{
    const char          *to, *again;
    const json_t        *record;
    struct plugin_move  *move;

    move = &p->move;
    record = history_last(p->history, "subject", "move", NULL, NULL);
    to = json_string_value(json_object_get(record, "to"));

    if (to == NULL
        || strcmp(to, plugin_move_state_name(PLUGIN_MOVE_NONE)) == 0
        || strcmp(to, plugin_move_state_name(PLUGIN_MOVE_RESISTING)) == 0)
    {
        return;
    }

    move->is_now = json_is_true(json_object_get(record, "now"));
    again = json_string_value(json_object_get(record, "again"));

    /* an order to stop that came after it ends it */

    if (again != NULL && (p->group != NULL || !p->plugin->is_stopped)) {
        move->is_again = true;
        move->is_again_now = json_is_true(json_object_get(record,
                                                          "again_now"));
        move->again_cause = plugin_history_wanted(again);
    }
}


/*
 * Between the record of one state and what follows it a supervisor may have
 * been killed: the move had ended and the next one had not begun, or it had
 * begun and there is no process of it yet.  What was started after the record
 * is what it wanted.
 */

void
plugin_history_restore_due(struct plugin_process *p, uint64_t started_unix_ms)
{
    size_t               i;
    char                 started[32];
    const char          *to, *again, *cause, *time;
    const json_t        *record;
    struct plugin_move  *move;

    static const enum plugin_move_state  tried[] = {
        PLUGIN_MOVE_STARTING, PLUGIN_MOVE_SWITCHING, PLUGIN_MOVE_HELD
    };

    move = &p->move;
    record = history_last(p->history, "subject", "move", NULL, NULL);
    to = json_string_value(json_object_get(record, "to"));
    time = json_string_value(json_object_get(record, "time"));
    time_rfc3339(started_unix_ms, started);

    if (to == NULL || time == NULL || strcmp(time, started) < 0
        || p->plugin->is_stopped)
    {
        return;
    }

    again = json_string_value(json_object_get(record, "again"));
    cause = json_string_value(json_object_get(record, "cause"));
    move->is_again_now = json_is_true(json_object_get(record, again != NULL
                                                      ? "again_now" : "now"));

    for (i = 0; again == NULL && cause != NULL
                && json_object_get(record, "fresh") != NULL
                && i < sizeof(tried) / sizeof(tried[0]); i++)
    {
        if (strcmp(to, plugin_move_state_name(tried[i])) == 0) {
            again = cause;
        }
    }

    if (again != NULL) {
        move->is_again = true;
        move->again_cause = plugin_history_wanted(again);
    }
}


/* the last record of a move; NULL: it knows nothing of the newest version */

static const json_t *
plugin_history_of_newest(const struct plugin_process *p)
{
    char           registered[32];
    const char    *time;
    const json_t  *record;

    record = history_last(p->history, "subject", "move", NULL, NULL);
    time = json_string_value(json_object_get(record, "time"));
    time_rfc3339(p->plugin->registered_unix_ms, registered);

    return time != NULL && strcmp(time, registered) >= 0 ? record : NULL;
}


bool
plugin_history_is_resisting(const struct plugin_process *p)
{
    const char  *to;

    to = json_string_value(json_object_get(plugin_history_of_newest(p),
                                           "to"));

    return to != NULL
           && strcmp(to, plugin_move_state_name(PLUGIN_MOVE_RESISTING)) == 0;
}


void
plugin_history_restore_error(struct plugin_process *p)
{
    const json_t  *record;

    record = plugin_history_of_newest(p);

    plugin_move_set_error(p,
        json_string_value(json_object_get(record, "text")),
        json_string_value(json_object_get(record, "traceback")));
}
