/* SPDX-License-Identifier: MIT */
/*
 * The run file "seats": where each seat is, and its one word.
 */

#ifndef SUPERVISOR_ROUTES_SEATS_WRITER_H
#define SUPERVISOR_ROUTES_SEATS_WRITER_H

#include "contract/mint_seat_names.h"
#include "contract/mint_seats.h"
#include "run_file.h"


struct seats_writer {
    struct run_line    line;
    struct mint_seat  *seats;           /* the model: what is published */
    uint32_t           capacity;
    uint32_t           pins;            /* how many, in the current file */
};


/* adopts a whole file of at least this capacity (0 = any), else makes one and
   carries over what could be read */
int seats_writer_open(struct seats_writer *writer, const char *directory,
    uint32_t capacity, gid_t gid, struct error *err);
void seats_writer_close(struct seats_writer *writer);

/* a larger file with the same records and pins */
int seats_writer_grow(struct seats_writer *writer, uint32_t capacity,
    struct error *err);

/* see publisher_place_seat(); index must be below the capacity */
int seats_writer_place(struct seats_writer *writer, uint32_t index,
    uint32_t plugin_id, uint16_t slot, uint8_t seat, const char *address,
    struct error *err);

/* stores the word here and in each retired file that a worker may still
   read; MINT_ERR_NOT_FOUND if the record has no address */
int seats_writer_set(struct seats_writer *writer, uint32_t index,
    uint64_t word, struct error *err);

/*
 * Pins a user of the seat's plugin to that seat, instead of any other that the
 * user was pinned to.  MINT_ERR_FULL: there is no room, everyone has to stay;
 * MINT_ERR_NOT_FOUND: the record has never been in use.  As words, pins also
 * go to each retired file.
 */
int seats_writer_pin(struct seats_writer *writer, uint32_t index,
    uint64_t user_id, struct error *err);

/* false: the user had no pin in this plugin */
bool seats_writer_unpin(struct seats_writer *writer, uint32_t plugin_id,
    uint64_t user_id);

/* all pins of a seat, MINT_SEAT_NONE: of all seats; returns how many */
uint32_t seats_writer_unpin_seat(struct seats_writer *writer, uint32_t index);
uint32_t seats_writer_pins_of(const struct seats_writer *writer,
    uint32_t index);

/* checks a mapped file, its pins too, and copies its records into a fresh
   array */
int seats_file_read(const struct run_file *file, struct mint_seat **seats,
    uint32_t *capacity, struct error *err);

#endif /* SUPERVISOR_ROUTES_SEATS_WRITER_H */
