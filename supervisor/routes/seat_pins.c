/* SPDX-License-Identifier: MIT */
/*
 * The hash table of pins (contract/mint_seats.h), written while workers read
 * it: a cell's key is stored before its value, and a removed pin's cell is
 * given up only where no reader has to walk over it.
 */

#include "seat_pins.h"


#define PINS_MASK  (SEAT_PINS - 1)


/* the key's cell or NULL; *vacant: where it could be put, NULL if nowhere */

static struct mint_pin *
seat_pins_find(const struct mint_pin *table, uint64_t key,
    struct mint_pin **vacant)
{
    uint32_t          i, probes;
    struct mint_pin  *pin;

    i = mint_pin_hash(key) & PINS_MASK;
    *vacant = NULL;

    for (probes = 0; probes < MINT_PIN_PROBES; probes++) {
        pin = (struct mint_pin *) &table[i];

        if (mint_run_load(&pin->key) == key) {
            return pin;
        }

        if (*vacant == NULL && mint_run_load(&pin->value) == 0) {
            *vacant = pin;
        }

        if (mint_run_load(&pin->key) == 0) {
            break;
        }

        i = (i + 1) & PINS_MASK;
    }

    return NULL;
}


bool
seat_pins_put(struct mint_pin *table, uint64_t key, uint32_t seat)
{
    struct mint_pin  *pin, *vacant;

    pin = seat_pins_find(table, key, &vacant);

    if (pin == NULL) {
        pin = vacant;
    }

    if (pin == NULL) {
        return false;
    }

    mint_run_store_release(&pin->key, key);
    mint_run_store_release(&pin->value, (uint64_t) seat + 1);

    return true;
}


bool
seat_pins_remove(struct mint_pin *table, uint64_t key)
{
    uint32_t          i;
    struct mint_pin  *pin, *vacant;

    pin = seat_pins_find(table, key, &vacant);

    if (pin == NULL || mint_run_load(&pin->value) == 0) {
        return false;
    }

    mint_run_store_release(&pin->value, 0);

    /* at the end of a run of cells nobody has to look further */

    i = (uint32_t) (pin - table);

    while (mint_run_load(&table[(i + 1) & PINS_MASK].key) == 0
           && mint_run_load(&table[i].key) != 0
           && mint_run_load(&table[i].value) == 0)
    {
        mint_run_store_release(&table[i].key, 0);
        i = (i - 1) & PINS_MASK;
    }

    return true;
}


uint32_t
seat_pins_get(const struct mint_pin *table, uint64_t key)
{
    struct mint_pin  *pin, *vacant;

    pin = seat_pins_find(table, key, &vacant);

    return pin == NULL || pin->value == 0 ? MINT_SEAT_NONE
                                          : (uint32_t) (pin->value - 1);
}


bool
seat_pins_next(const struct mint_pin *table, uint32_t *at, uint64_t *key,
    uint32_t *seat)
{
    uint64_t  value;

    while (*at < SEAT_PINS) {
        *key = mint_run_load_acquire(&table[*at].key);
        value = mint_run_load_acquire(&table[*at].value);
        (*at)++;

        if (*key != 0 && value != 0) {
            *seat = value > UINT32_MAX ? MINT_SEAT_NONE
                                       : (uint32_t) (value - 1);
            return true;
        }
    }

    return false;
}


uint64_t
seat_pins_user(uint64_t key, uint32_t plugin_id)
{
    return mint_pin_key(plugin_id, key);
}


int
seat_pins_check(const struct mint_pin *table, const struct mint_seat *seats,
    uint32_t count, uint32_t *pins, struct error *err)
{
    uint32_t          at, seat;
    uint64_t          key;
    struct mint_pin  *vacant;

    *pins = 0;
    at = 0;

    while (seat_pins_next(table, &at, &key, &seat)) {
        if (seat >= count || seats[seat].address_len == 0
            || seat_pins_user(key, seats[seat].plugin_id) == 0
            || seat_pins_find(table, key, &vacant) != &table[at - 1])
        {
            return error_set(err, MINT_ERR_PROTOCOL, "pin %u is broken",
                             at - 1);
        }

        (*pins)++;
    }

    return 0;
}
