/* SPDX-License-Identifier: MIT */
/*
 * The table of pins in the run file "seats": which user of which plugin stays
 * on which seat.  The table in the file is the only copy.
 */

#ifndef SUPERVISOR_ROUTES_SEAT_PINS_H
#define SUPERVISOR_ROUTES_SEAT_PINS_H

#include <stdbool.h>
#include <stdint.h>

#include "contract/mint_seats.h"
#include "lib/error.h"


#define SEAT_PINS       65536       /* cells, a power of two */
#define SEAT_PINS_MOST  49152       /* pins: fuller, lookups get long */


/* one pin of a table, in the order of the cells; *at starts with 0 */
bool seat_pins_next(const struct mint_pin *table, uint32_t *at, uint64_t *key,
    uint32_t *seat);

/* false: there is no cell for it */
bool seat_pins_put(struct mint_pin *table, uint64_t key, uint32_t seat);

/* false: there was no such pin */
bool seat_pins_remove(struct mint_pin *table, uint64_t key);

/* the seat, MINT_SEAT_NONE */
uint32_t seat_pins_get(const struct mint_pin *table, uint64_t key);

/* of the user, if the pin's seat belongs to this plugin */
uint64_t seat_pins_user(uint64_t key, uint32_t plugin_id);

/*
 * Is each pin of the table where a reader finds it, and does it lead to one
 * of the count seats that has an address?  *pins = how many there are.
 */
int seat_pins_check(const struct mint_pin *table,
    const struct mint_seat *seats, uint32_t count, uint32_t *pins,
    struct error *err);

#endif /* SUPERVISOR_ROUTES_SEAT_PINS_H */
