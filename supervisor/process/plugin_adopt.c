/* SPDX-License-Identifier: MIT */
/*
 * Processes an earlier supervisor has left: both of a move are recognised by
 * their labels, and the words of their seats say how far it had come.  Up to
 * the switch it is begun again from the ready process, afterwards it goes on.
 */

#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"
#include "lib/log.h"
#include "plugin_environment.h"
#include "plugin_former.h"
#include "plugin_group.h"
#include "plugin_history.h"


/* what the words and the processes of both seats say */
struct plugin_find {
    enum mint_seat_state  state;
    enum mint_seat_cause  cause;
    bool                  is_there;     /* a process, dead or alive */
    bool                  is_known;     /* its generation is the word's */
};


static struct plugin_seat *
plugin_adopt_seat(struct plugin_process *p, const char *place)
{
    size_t  i;

    for (i = 0; i < PLUGIN_SEATS; i++) {
        if (strcmp(p->seats[i].place, place) == 0) {
            return &p->seats[i];
        }
    }

    return NULL;
}


/*
 * Whose process it is: as it was.  One of a plugin that belongs into the shared
 * process now, or out of it, was on its way there, or plugins.sharedProcess has
 * changed; it goes the same way once more, see plugin_processes_resume().
 */

static struct plugin_process *
plugin_adopt_unit(struct plugin_processes *all, const char *name,
    const char *place, uint32_t generation)
{
    struct plugin          *plugin;
    struct plugin_process  *p;

    if (strcmp(name, PLUGIN_GROUP_NAME) == 0) {
        return plugin_group_find(all, (unsigned) (place[0] != '\0'
                                                  && place[1] == 'b'),
                                 generation);
    }

    plugin = registry_find(all->registry, name);

    if (plugin == NULL) {
        return NULL;
    }

    p = plugin->process;

    if (p != NULL && p->group == NULL) {
        return p;
    }

    if (p != NULL) {
        plugin_group_remove(p, plugin);
    }

    return plugin_process_make(all, plugin, NULL);
}


bool
plugin_processes_adopt(struct plugin_processes *processes, const char *name,
    const char *place, uint32_t generation, const char *note,
    const struct process *process, bool is_dead, int wait_status)
{
    struct plugin_seat     *seat;
    struct plugin_process  *p;

    p = plugin_adopt_unit(processes, name, place, generation);

    if (p == NULL) {
        return false;
    }

    seat = plugin_adopt_seat(p, place);

    if (seat == NULL || seat->is_found) {
        return false;               /* two of one seat: keep the first */
    }

    seat->is_found = true;
    seat->found.process = *process;
    seat->found.generation = generation;
    seat->found.is_dead = is_dead;
    seat->found.wait_status = wait_status;

    /* before any word of it: the file may be a new one */
    if (p->group != NULL) {
        plugin_group_place_all(seat);

    } else {
        processes->listener.on_seat(processes->listener.ctx, p->plugin,
                                    seat->record, seat->address);
    }

    free(seat->running);
    seat->running = plugin_note_read(note, p->plugin->environment,
                                     &seat->running_since);
    seat->wish = seat->owner->wish;

    return true;
}


static void
plugin_adopt_find(const struct plugin_seat *seat, struct plugin_find *find)
{
    uint64_t                        word;
    const struct plugin_processes  *all;

    all = seat->owner->all;
    word = seat->owner->group != NULL ? plugin_group_word(seat)
           : all->listener.seat_word(all->listener.ctx, seat->record);

    find->state = (enum mint_seat_state) mint_seat_state(word);
    find->cause = (enum mint_seat_cause) mint_seat_cause(word);
    find->is_there = seat->is_found;
    find->is_known = seat->is_found
                     && mint_seat_generation(word) == seat->found.generation;

    /* the word is not of this process, so it says nothing about it */

    if (find->is_there && !find->is_known) {
        find->state = MINT_SEAT_STARTING;
        find->cause = MINT_CAUSE_CRASHED;
    }
}


static void
plugin_adopt_take(struct plugin_seat *seat, bool is_ready)
{
    if (!seat->is_found) {
        return;
    }

    seat->is_found = false;

    if (seat->owner->group != NULL) {
        plugin_group_adopt(seat);
    }

    if (seat->found.is_dead) {
        service_adopt_dead(seat->service, &seat->found.process,
                           seat->found.generation, seat->found.wait_status);
        return;
    }

    service_adopt(seat->service, &seat->found.process, seat->found.generation,
                  is_ready);

    if (seat->owner->group != NULL) {
        plugin_group_ask(seat);
    }
}


/* up to the switch: the ready process serves, the other one is tried (again) */

static void
plugin_adopt_trial(struct plugin_process *p, struct plugin_seat *old,
    struct plugin_seat *fresh, const struct plugin_find *find)
{
    p->current = old;
    p->move.cause = find->cause == MINT_CAUSE_UPGRADING
                    ? MINT_CAUSE_UPGRADING : MINT_CAUSE_RESTART;
    p->move.old = old;
    p->move.fresh = fresh;
    plugin_history_restore_wishes(p);
    old->role = PLUGIN_ROLE_CURRENT;
    fresh->role = PLUGIN_ROLE_TRIAL;
    service_set_once(old->service, true);
    service_set_once(fresh->service, true);

    plugin_adopt_take(old, true);
    plugin_seat_unpin(old);
    plugin_adopt_take(fresh, false);
    plugin_move_resume(p, PLUGIN_MOVE_STARTING);
}


/* after the switch: the other process serves, old drains or ends */

static void
plugin_adopt_after(struct plugin_process *p, struct plugin_seat *old,
    struct plugin_seat *fresh, const struct plugin_find *find,
    enum plugin_move_state state)
{
    struct plugin_move  *move;

    move = &p->move;
    move->cause = fresh != NULL ? MINT_CAUSE_RESTART : MINT_CAUSE_STOPPED;
    move->old = old;
    move->fresh = fresh;
    plugin_history_restore_wishes(p);

    /* the moment of the switch: shortly after the next one's start */

    move->switched_unix_ms = fresh != NULL && fresh->is_found
                             ? fresh->found.process.started_unix_ms
                             : time_unix_ms();

    p->current = fresh != NULL ? fresh : old;
    old->role = state == PLUGIN_MOVE_DRAINING ? PLUGIN_ROLE_OLD
                                              : PLUGIN_ROLE_IDLE;
    service_set_once(old->service, true);

    if (fresh == NULL) {
        plugin_seat_set_role(plugin_process_other_seat(p, old),
                             PLUGIN_ROLE_CURRENT);

    } else {
        /* first: until it is taken the plugin would count as stopped */
        fresh->role = PLUGIN_ROLE_CURRENT;
        plugin_adopt_take(fresh, find->state == MINT_SEAT_READY);
    }

    plugin_adopt_take(old, true);

    if (fresh != NULL && plugin_former_is_in(fresh)) {
        plugin_history_restore_error(p);        /* of the newest version */
    }

    plugin_move_resume(p, state);
}


static void
plugin_adopt_drain(struct plugin_process *p, struct plugin_seat *old,
    struct plugin_seat *fresh, const struct plugin_find *find)
{
    plugin_adopt_after(p, old, fresh, find, PLUGIN_MOVE_DRAINING);
}


static void
plugin_adopt_empty(struct plugin_process *p, struct plugin_seat *old,
    struct plugin_seat *fresh, const struct plugin_find *find)
{
    plugin_adopt_after(p, old, fresh, find, PLUGIN_MOVE_EMPTYING);
}


/* closed + starting: the switch, or the current one has died meanwhile */

static void
plugin_adopt_held(struct plugin_process *p, struct plugin_seat *old,
    struct plugin_seat *fresh, const struct plugin_find *find)
{
    if (find->cause == MINT_CAUSE_RESTART
        || find->cause == MINT_CAUSE_UPGRADING)
    {
        plugin_adopt_trial(p, old, fresh, find);
        return;
    }

    plugin_adopt_empty(p, old, fresh, find);
}


/* no move: one process, or none */

static void
plugin_adopt_one(struct plugin_process *p, struct plugin_seat *seat,
    bool is_ready)
{
    p->current = seat;
    seat->role = PLUGIN_ROLE_CURRENT;

    if (!seat->is_found) {
        seat->running_since = p->plugin->registered_unix_ms;
    }

    plugin_process_other_seat(p, seat)->role = PLUGIN_ROLE_IDLE;
    plugin_adopt_take(seat, is_ready);
}


/*
 * The words of two processes, in the order of a move.  What is not here is
 * never published: the files are new, or the younger process is in its first
 * instants.
 */

typedef void (*plugin_adopt_fn)(struct plugin_process *p,
    struct plugin_seat *old, struct plugin_seat *fresh,
    const struct plugin_find *find);

static const struct {
    enum mint_seat_state  old;
    enum mint_seat_state  fresh;
    plugin_adopt_fn       fn;
} plugin_adopt_pairs[] = {
    { MINT_SEAT_READY, MINT_SEAT_STARTING, plugin_adopt_trial },
    { MINT_SEAT_CLOSED, MINT_SEAT_STARTING, plugin_adopt_held },
    { MINT_SEAT_DRAINING, MINT_SEAT_STARTING, plugin_adopt_drain },
    { MINT_SEAT_DRAINING, MINT_SEAT_READY, plugin_adopt_drain },
    { MINT_SEAT_CLOSED, MINT_SEAT_READY, plugin_adopt_empty }
};


static void
plugin_adopt_two(struct plugin_process *p, const struct plugin_find *find)
{
    size_t  i, k;

    for (k = 0; k < sizeof(plugin_adopt_pairs)
                    / sizeof(plugin_adopt_pairs[0]); k++)
    {
        for (i = 0; i < PLUGIN_SEATS; i++) {
            if (find[i].state == plugin_adopt_pairs[k].old
                && find[!i].state == plugin_adopt_pairs[k].fresh)
            {
                plugin_adopt_pairs[k].fn(p, &p->seats[i], &p->seats[!i],
                                         &find[!i]);
                return;
            }
        }
    }

    i = p->seats[0].found.process.started_unix_ms
        > p->seats[1].found.process.started_unix_ms;
    log_warn("plugin \"%s\": two processes, and nothing says which is which; "
             "the older one goes on", p->plugin->name);
    plugin_adopt_trial(p, &p->seats[i], &p->seats[!i], &find[!i]);
}


static bool
plugin_adopt_is_down(const struct plugin_find *find)
{
    return find->state == MINT_SEAT_CLOSED
           && (find->cause == MINT_CAUSE_CRASHED
               || find->cause == MINT_CAUSE_FAILED);
}


/* it was ready and is to enter the shared process: what it has is let end, and
   whoever comes has been told to wait, see plugin_group_has_changed() */

static bool
plugin_adopt_enters(const struct plugin_process *p,
    const struct plugin_find *find)
{
    return p->group == NULL && plugin_group_takes(p->all, p->plugin)
           && find->state == MINT_SEAT_STARTING
           && find->cause == MINT_CAUSE_STOPPED;
}


static void
plugin_adopt_single(struct plugin_process *p, size_t i,
    const struct plugin_find *find)
{
    const struct plugin_find  *other;

    other = &find[!i];

    /* the one that serves waits for its next try */

    if (find[i].state == MINT_SEAT_DRAINING) {
        plugin_adopt_drain(p, &p->seats[i],
                           plugin_adopt_is_down(other)
                           || other->state == MINT_SEAT_STARTING
                           ? &p->seats[!i] : NULL, other);

        if (p->move.fresh != NULL) {
            p->move.fresh->running_since = p->plugin->registered_unix_ms;
            service_start(p->move.fresh->service, other->cause);
        }

        return;
    }

    plugin_adopt_one(p, &p->seats[i], find[i].state == MINT_SEAT_READY
                                      || plugin_adopt_enters(p, &find[i]));

    /* first: the state that is gone on with is the last record then */
    plugin_history_restore_due(p, p->seats[i].found.process.started_unix_ms);

    if (find[i].state == MINT_SEAT_READY && plugin_adopt_is_down(other)
        && other->cause == MINT_CAUSE_FAILED
        && plugin_history_is_resisting(p))
    {
        plugin_history_restore_error(p);
        plugin_move_resume(p, PLUGIN_MOVE_RESISTING);
    }
}


static void
plugin_adopt_resume(struct plugin_process *p)
{
    size_t              i;
    struct plugin_find  find[PLUGIN_SEATS];

    for (i = 0; i < PLUGIN_SEATS; i++) {
        plugin_adopt_find(&p->seats[i], &find[i]);
    }

    if (find[0].is_there && find[1].is_there) {
        plugin_adopt_two(p, find);
        return;
    }

    for (i = 0; i < PLUGIN_SEATS; i++) {
        if (find[i].is_there) {
            plugin_adopt_single(p, i, find);
            return;
        }
    }

    /* none: the seat that was to serve last */

    for (i = 0; i < PLUGIN_SEATS; i++) {
        if (find[i].state == MINT_SEAT_READY
            || find[i].state == MINT_SEAT_STARTING
            || plugin_adopt_is_down(&find[i]))
        {
            plugin_adopt_one(p, &p->seats[i], false);
            return;
        }
    }
}


/* what was under way to another place goes on */

static void
plugin_adopt_places(struct plugin_processes *all)
{
    size_t          i;
    struct plugin  *plugin;

    for (i = 0; i < registry_count(all->registry); i++) {
        plugin = registry_at(all->registry, i);

        if (plugin_group_has_changed(all, plugin)) {
            plugin_former_forget(all, plugin);
        }
    }
}


/* also one whose last member has left, or was found in a process of its own:
   it has work, and ends with that */

static void
plugin_adopt_group(struct plugin_processes *all)
{
    struct plugin_process  *p;

    p = all->group;

    if (p != NULL && !p->group->is_resumed) {
        p->group->is_resumed = true;
        plugin_adopt_resume(p);
        plugin_former_resume(p);
        plugin_move_touch(p);
    }
}


void
plugin_processes_resume(struct plugin_processes *processes)
{
    size_t                  i;
    struct plugin          *plugin;
    struct plugin_process  *p;

    for (i = 0; i < registry_count(processes->registry); i++) {
        plugin = registry_at(processes->registry, i);
        p = plugin_process_get(processes, plugin);

        if (p->group != NULL) {
            plugin_former_forget(processes, plugin);    /* was alone before */
        }

        if (p->group == NULL) {
            plugin_adopt_resume(p);
            plugin_former_resume(p);
        }
    }

    plugin_adopt_group(processes);
    plugin_adopt_places(processes);
}
