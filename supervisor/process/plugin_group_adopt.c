/* SPDX-License-Identifier: MIT */
/*
 * The shared process as an earlier supervisor has left it: how far it had come
 * is told by the words of its members' seats, and what became of each by its
 * host.
 */

#include "plugin_group.h"

#include "lib/log.h"
#include "lib/strbuf.h"


static struct plugin_group_place *
plugin_group_at(struct plugin_member *m, const struct plugin_seat *seat)
{
    return &m->at[seat - seat->owner->seats];
}


/* which of two words says more of the process */
static const unsigned  plugin_group_says[MINT_SEAT_STATE_COUNT] = {
    [MINT_SEAT_EMPTY] = 0,
    [MINT_SEAT_CLOSED] = 2,
    [MINT_SEAT_STARTING] = 5,
    [MINT_SEAT_DRAINING] = 6,
    [MINT_SEAT_READY] = 7
};


static unsigned
plugin_group_weight(uint64_t word)
{
    unsigned  weight;

    if (mint_seat_state(word) >= MINT_SEAT_STATE_COUNT) {
        return 0;
    }

    /* of one that is still to come: nothing of the process */

    if (mint_seat_cause(word) == MINT_CAUSE_INSTALLING) {
        return 1;
    }

    weight = plugin_group_says[mint_seat_state(word)];

    if (mint_seat_state(word) == MINT_SEAT_STARTING
        && mint_seat_cause(word) == MINT_CAUSE_FIRST_START)
    {
        return weight - 1;          /* maybe of this one only */
    }

    /* closed because all are, not because this one is */

    return weight == 2 && (mint_seat_cause(word) == MINT_CAUSE_RESTART
                           || mint_seat_cause(word) == MINT_CAUSE_UPGRADING
                           || mint_seat_cause(word) == MINT_CAUSE_CRASHED)
           ? 3 : weight;
}


uint64_t
plugin_group_word(const struct plugin_seat *seat)
{
    size_t                      i;
    uint64_t                    word, best;
    struct plugin_processes    *all;
    struct plugin_group_place  *at;

    all = seat->owner->all;
    best = 0;

    /* nobody is in it: it ends when it has no work */

    if (seat->owner->group->count == 0 && seat->is_found) {
        return mint_seat_word(seat->found.generation, 0, MINT_CAUSE_RESTART,
                              MINT_SEAT_DRAINING);
    }

    for (i = 0; i < seat->owner->group->count; i++) {
        at = plugin_group_at(seat->owner->group->members[i], seat);
        word = all->listener.seat_word(all->listener.ctx, at->record);

        if (seat->is_found
            && mint_seat_generation(word) != seat->found.generation)
        {
            word = mint_seat_word(mint_seat_generation(word), 0,
                                  MINT_CAUSE_NONE, MINT_SEAT_EMPTY);
        }

        if (best == 0
            || plugin_group_weight(word) > plugin_group_weight(best))
        {
            best = word;
        }
    }

    return best;
}


void
plugin_group_place_all(struct plugin_seat *seat)
{
    size_t                    i;
    struct plugin_member     *m;
    struct plugin_processes  *all;

    all = seat->owner->all;

    for (i = 0; i < seat->owner->group->count; i++) {
        m = seat->owner->group->members[i];
        all->listener.on_seat(all->listener.ctx, m->plugin,
                              plugin_group_at(m, seat)->record,
                              plugin_group_at(m, seat)->address);
    }
}


void
plugin_group_adopt(struct plugin_seat *seat)
{
    size_t                      i;
    uint64_t                    word;
    unsigned                    state, cause;
    struct plugin_member       *m;
    struct plugin_processes    *all;
    struct plugin_group_place  *at;

    all = seat->owner->all;

    for (i = 0; i < seat->owner->group->count; i++) {
        m = seat->owner->group->members[i];
        at = plugin_group_at(m, seat);
        word = all->listener.seat_word(all->listener.ctx, at->record);
        state = mint_seat_state(word);
        cause = mint_seat_cause(word);

        at->is_in = mint_seat_generation(word) != seat->found.generation
                    || plugin_group_is_of(word, seat->found.generation);
        at->is_up = at->is_in && (state == MINT_SEAT_READY
                                  || state == MINT_SEAT_DRAINING);

        if (at->is_in && state == MINT_SEAT_CLOSED
            && cause == MINT_CAUSE_FAILED && at->error == NULL)
        {
            at->error = mem_strdup("failed, under an earlier supervisor");
        }
    }

    plugin_group_probe_at(seat);
}


void
plugin_group_ask(struct plugin_seat *seat)
{
    struct error  err;

    if (service_command(seat->service, "{\"command\": \"plugins\"}\n", &err)
        != 0)
    {
        log_debug("%s", err.text);
    }
}
