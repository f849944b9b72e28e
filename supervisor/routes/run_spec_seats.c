/* SPDX-License-Identifier: MIT */
/*
 * The part of a description that is in the run file "seats": seats and pins.
 */

#include "run_spec.h"
#include "run_spec_seats.h"
#include "seats_writer.h"


int
run_spec_unpack(struct error *err, const char *what, size_t i, json_t *item,
    const char *format, ...)
{
    int            rc;
    va_list        args;
    json_error_t   why;

    va_start(args, format);
    rc = json_vunpack_ex(item, &why, 0, format, args);
    va_end(args);

    if (rc == 0) {
        return 0;
    }

    return error_set(err, MINT_ERR_INVALID, "%s[%zu]: %s", what, i, why.text);
}


int
run_spec_write_seats(struct publisher *p, json_t *list, struct error *err)
{
    int          rc, index, id, slot, seat, generation, retry, s, c;
    size_t       i;
    json_t      *item;
    const char  *address, *state, *cause;

    json_array_foreach(list, i, item) {
        slot = 0;
        seat = -1;
        generation = 1;
        retry = 0;
        state = "ready";
        cause = "none";
        rc = run_spec_unpack(err, "seats", i, item,
                             "{s:i,s:i,s?i,s?i,s:s,s?s,s?s,s?i,s?i}", "index",
                             &index, "plugin_id", &id, "slot", &slot, "seat",
                             &seat, "address", &address, "state", &state,
                             "cause", &cause, "generation", &generation,
                             "retry_after", &retry);
        if (rc != 0) {
            return rc;
        }

        seat = seat < 0 ? index & 1 : seat;
        s = run_spec_index(state, mint_seat_state_name, MINT_SEAT_STATE_COUNT);
        c = run_spec_index(cause, mint_seat_cause_name, MINT_CAUSE_COUNT);
        if (s == -1 || c == -1) {
            return error_set(err, MINT_ERR_INVALID,
                             "seats[%zu]: no state \"%s\" or cause \"%s\"", i,
                             state, cause);
        }

        rc = publisher_place_seat(p, (uint32_t) index, (uint32_t) id,
                                  (uint16_t) slot, (uint8_t) seat, address,
                                  err);
        if (rc != 0) {
            return rc;
        }

        publisher_set_seat(p, (uint32_t) index, (uint32_t) generation,
                           (unsigned) retry, (enum mint_seat_cause) c,
                           (enum mint_seat_state) s);
    }

    return 0;
}


int
run_spec_write_pins(const char *directory, gid_t gid, json_t *list,
    struct error *err)
{
    int                  rc, seat, plugin_id;
    size_t               i;
    json_t              *item;
    json_int_t           user_id;
    struct seats_writer  w;

    rc = seats_writer_open(&w, directory, 0, gid, err);
    if (rc != 0) {
        return rc;
    }

    (void) seats_writer_unpin_seat(&w, MINT_SEAT_NONE);

    json_array_foreach(list, i, item) {
        rc = run_spec_unpack(err, "pins", i, item, "{s:i,s:I,s:i}", "plugin_id",
                             &plugin_id, "user_id", &user_id, "seat", &seat);
        if (rc == 0) {
            rc = seats_writer_pin(&w, (uint32_t) seat, (uint64_t) user_id,
                                  err);
        }
        if (rc == 0 && w.seats[seat].plugin_id != (uint32_t) plugin_id) {
            rc = error_set(err, MINT_ERR_INVALID,
                           "pins[%zu]: seat %d is plugin %u's, not %d's", i,
                           seat, w.seats[seat].plugin_id, plugin_id);
        }
        if (rc != 0) {
            break;
        }
    }

    seats_writer_close(&w);

    return rc;
}
