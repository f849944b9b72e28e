/* SPDX-License-Identifier: MIT */
/*
 * The old process of a move: its host is asked whose work it has, those users
 * are pinned to it, and it ends when there are none, or after
 * plugins.jobDrainHours.  Who gets in is decided by the edge, from pins and
 * words.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "plugin_drain.h"
#include "plugin_former.h"
#include "plugin_group.h"


#define DRAIN_BUSY_MS     100       /* between questions: requests run */
#define DRAIN_QUIET_MS    1000
#define DRAIN_ANSWER_MS   3000      /* then it is asked again */
#define DRAIN_LAST_MS     30000     /* for WebSockets, and requests */


/* ---- questions ------------------------------------------------------- */

void
plugin_drain_ask(struct plugin_process *p, unsigned wait_ms)
{
    char                 line[96];
    struct error         err;
    struct plugin_move  *move;

    move = &p->move;
    move->serial = plugin_process_next_serial(p->all);
    move->asked_ms = time_boot_ms();
    move->count_asked = plugin_seat_count(move->old);

    snprintf(line, sizeof(line), "{\"command\":\"activity\",\"serial\":%llu}"
             "\n", (unsigned long long) move->serial);

    if (service_command(move->old->service, line, &err) != 0) {
        log_debug("%s", err.text);
    }

    plugin_move_set_timer(p, wait_ms);
}


void
plugin_move_on_activity(struct plugin_process *p, struct plugin_seat *seat,
    const json_t *report)
{
    if (p->move.serial == 0 || seat != p->move.old
        || (uint64_t) json_integer_value(json_object_get(report, "serial"))
           != p->move.serial)
    {
        return;
    }

    p->move.serial = 0;
    plugin_activity_read(&p->move.activity, report);
    plugin_move_event(p, PLUGIN_MOVE_ANSWER);
}


int
plugin_drain_pin(struct plugin_process *p, struct error *err)
{
    int                            rc;
    size_t                         i;
    const struct plugin_activity  *activity;

    activity = &p->move.activity;

    for (i = 0; i < activity->owner_count; i++) {
        rc = p->group != NULL
             ? plugin_group_pin(p->move.old, activity->owners[i], err)
             : p->all->listener.pin(p->all->listener.ctx,
                                    p->move.old->record, activity->owners[i],
                                    err);
        if (rc != 0) {
            return rc;
        }
    }

    return 0;
}


/* of work that has begun after the switch, in requests from before */

static void
plugin_drain_pin_late(struct plugin_process *p)
{
    struct error  err;

    if (plugin_drain_pin(p, &err) != 0) {
        log_warn("plugin \"%s\": not all users with work in the old process "
                 "can stay there: %s", p->plugin->name, err.text);
    }
}


/* ---- draining --------------------------------------------------------- */

bool
plugin_drain_is_overdue(const struct plugin_process *p)
{
    uint64_t  limit_ms;

    limit_ms = (uint64_t) p->all->config->plugins.job_drain_hours * 3600000;

    return time_unix_ms() - p->move.switched_unix_ms >= limit_ms;
}


void
plugin_drain_begin(struct plugin_process *p)
{
    bool  is_followed;

    if (p->move.is_now) {
        plugin_drain_close(p, "asked for at once");
        return;
    }

    /* it was to end and is wanted after all: not only when its users' work is
       done */

    is_followed = p->move.fresh == NULL && p->move.is_again;
    p->move.is_again = p->move.is_again && !is_followed;

    plugin_move_set_state(p, PLUGIN_MOVE_DRAINING);
    plugin_move_set_timer(p, DRAIN_BUSY_MS);

    if (is_followed) {
        plugin_move_event(p, PLUGIN_MOVE_WISH);
    }
}


void
plugin_drain_resume(struct plugin_process *p)
{
    plugin_move_set_timer(p, DRAIN_BUSY_MS);
}


static void
plugin_drain_empty(struct plugin_process *p)
{
    plugin_seat_set_role(p->move.old, PLUGIN_ROLE_IDLE);
    plugin_seat_unpin(p->move.old);
    plugin_move_set_state(p, PLUGIN_MOVE_EMPTYING);
    plugin_drain_ask(p, DRAIN_BUSY_MS);
}


void
plugin_drain_answer(struct plugin_process *p)
{
    const struct plugin_activity  *activity;

    activity = &p->move.activity;

    if (plugin_activity_is_idle(activity)) {
        plugin_drain_empty(p);
        return;
    }

    plugin_drain_pin_late(p);
    plugin_move_set_timer(p, plugin_seat_count(p->move.old)
                             > activity->websockets ? DRAIN_BUSY_MS
                                                    : DRAIN_QUIET_MS);
}


/* by the supervisor before, which did not come to that */

static bool
plugin_drain_is_now(struct plugin_process *p)
{
    if (p->move.is_now) {
        plugin_drain_close(p, "asked for at once");
    }

    return p->move.is_now;
}


void
plugin_drain_timer(struct plugin_process *p)
{
    char  *lost, *text;

    if (plugin_drain_is_now(p)) {
        return;
    }

    if (plugin_drain_is_overdue(p)) {
        lost = plugin_activity_text(&p->move.activity);
        text = mem_printf("after %lld h, with %s",
                          (long long) p->all->config->plugins.job_drain_hours,
                          lost);
        plugin_drain_close(p, text);
        free(text);
        free(lost);
        return;
    }

    if (p->move.serial != 0
        && time_boot_ms() - p->move.asked_ms < DRAIN_ANSWER_MS)
    {
        plugin_move_set_timer(p, DRAIN_QUIET_MS);
        return;
    }

    plugin_drain_ask(p, DRAIN_QUIET_MS);
}


/* ---- emptying --------------------------------------------------------- */

static bool
plugin_drain_has_waited(const struct plugin_process *p)
{
    return time_boot_ms() - p->move.since_ms >= DRAIN_LAST_MS;
}


void
plugin_drain_empty_answer(struct plugin_process *p)
{
    if (!plugin_activity_is_idle(&p->move.activity)) {

        /* a last request has begun something: back to its owner */

        plugin_drain_pin_late(p);
        plugin_seat_set_role(p->move.old, PLUGIN_ROLE_OLD);
        plugin_move_set_state(p, PLUGIN_MOVE_DRAINING);
        plugin_move_set_timer(p, DRAIN_QUIET_MS);
        return;
    }

    if (p->move.count_asked == 0 && plugin_seat_count(p->move.old) == 0) {
        plugin_drain_close(p, "nobody has anything there");
        return;
    }

    plugin_drain_empty_timer(p);
}


void
plugin_drain_empty_timer(struct plugin_process *p)
{
    if (plugin_drain_is_now(p)) {
        return;
    }

    if (plugin_drain_has_waited(p)) {
        plugin_drain_close(p, "30 s are over");
        return;
    }

    if (p->move.serial == 0
        || time_boot_ms() - p->move.asked_ms >= DRAIN_ANSWER_MS)
    {
        if (time_boot_ms() - p->move.asked_ms >= DRAIN_BUSY_MS) {
            plugin_drain_ask(p, DRAIN_BUSY_MS);
            return;
        }
    }

    plugin_move_set_timer(p, DRAIN_BUSY_MS);
}


/* ---- the end ----------------------------------------------------------- */

void
plugin_drain_close(struct plugin_process *p, const char *why)
{
    struct plugin_seat  *old;
    struct log_fields    fields = { .plugin = p->plugin->name };

    old = p->move.old;
    log_write(LOG_LEVEL_INFO, &fields, "the old process ends: %s", why);

    /* who is waited for no longer: they have had their time, or none */

    old->excused = p->move.is_now ? p->move.activity.websockets
                                  : plugin_seat_count(old);
    plugin_seat_set_role(old, PLUGIN_ROLE_IDLE);
    plugin_seat_unpin(old);

    plugin_move_set_state(p, PLUGIN_MOVE_CLOSING);
    service_stop(old->service, false);
}


void
plugin_drain_lost(struct plugin_process *p)
{
    char  *lost;

    lost = plugin_activity_text(&p->move.activity);
    log_error("plugin \"%s\": the old process has died (%s) with %s",
              p->plugin->name, service_last_exit(p->move.old->service), lost);
    free(lost);

    plugin_drain_over(p);
}


void
plugin_drain_over(struct plugin_process *p)
{
    bool                 is_resisting;
    struct plugin_seat  *old;
    struct plugin_move  *move;

    move = &p->move;
    old = move->old;
    is_resisting = plugin_former_is_back(p);

    /* nobody was in there when it was told to end: who is in there now? */

    if (old->was_empty) {
        p->defects += plugin_seat_count(old);
    }

    p->moves_done += move->fresh != NULL && !is_resisting;
    plugin_seat_unpin(old);
    old->was_empty = false;
    old->excused = 0;
    old->role = move->fresh != NULL ? PLUGIN_ROLE_IDLE : PLUGIN_ROLE_CURRENT;

    if (move->fresh == NULL) {
        plugin_seat_set_role(plugin_process_other_seat(p, old),
                             PLUGIN_ROLE_IDLE);
    }

    service_set_once(old->service, false);
    service_stop(old->service, false);      /* dead, but not down yet */
    plugin_seat_publish(old);

    plugin_activity_clear(&move->activity);
    move->old = NULL;
    move->fresh = NULL;
    plugin_move_set_state(p, is_resisting ? PLUGIN_MOVE_RESISTING
                                          : PLUGIN_MOVE_NONE);

    if (move->is_again) {
        plugin_move_event(p, PLUGIN_MOVE_WISH);
    }
}
