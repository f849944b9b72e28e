/* SPDX-License-Identifier: MIT */

#include "mint_seat_names.h"

#include "mint_seats.h"


static const char *const  mint_seat_state_names[] = {
    [MINT_SEAT_EMPTY] = "empty",
    [MINT_SEAT_STARTING] = "starting",
    [MINT_SEAT_READY] = "ready",
    [MINT_SEAT_DRAINING] = "draining",
    [MINT_SEAT_CLOSED] = "closed"
};

static const char *const  mint_seat_cause_names[] = {
    [MINT_CAUSE_NONE] = "none",
    [MINT_CAUSE_FIRST_START] = "first_start",
    [MINT_CAUSE_CRASHED] = "crashed",
    [MINT_CAUSE_RESTART] = "restart",
    [MINT_CAUSE_FAILED] = "failed",
    [MINT_CAUSE_STOPPED] = "stopped",
    [MINT_CAUSE_INSTALLING] = "installing",
    [MINT_CAUSE_UPGRADING] = "upgrading"
};


const char *
mint_seat_state_name(unsigned state)
{
    return state < MINT_SEAT_STATE_COUNT ? mint_seat_state_names[state]
                                         : "unknown";
}


const char *
mint_seat_cause_name(unsigned cause)
{
    return cause < MINT_CAUSE_COUNT ? mint_seat_cause_names[cause] : "unknown";
}
