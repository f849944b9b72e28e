/* SPDX-License-Identifier: MIT */
/*
 * Eight bytes of text at a time, in a word of which the first byte is the
 * lowest.  The results have the high bit of a byte set where it is what is
 * asked for; above the lowest such byte they may be wrong.
 */

#ifndef MINT_BYTES_H
#define MINT_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>


#define MINT_BYTES(b)   (0x0101010101010101ULL * (b))
#define MINT_BYTES_TOP  MINT_BYTES(0x80)


static inline uint64_t
mint_bytes_load(const void *text)
{
    uint64_t  word;

    memcpy(&word, text, sizeof(word));

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif

    return word;
}


/* the lowest byte last */

static inline void
mint_bytes_store_reversed(void *to, uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    word = __builtin_bswap64(word);
#endif

    memcpy(to, &word, sizeof(word));
}


/* anything but 0x20 .. 0x7e; mask with MINT_BYTES_TOP */

static inline uint64_t
mint_bytes_unprintable(uint64_t word)
{
    return (word - MINT_BYTES(0x20)) | (word + MINT_BYTES(1)) | word;
}


/* a certain byte; mask with MINT_BYTES_TOP */

static inline uint64_t
mint_bytes_equal(uint64_t word, uint8_t byte)
{
    word ^= MINT_BYTES(byte);

    return (word - MINT_BYTES(1)) & ~word;
}


/* the index of the first byte found; found is not 0 */

static inline size_t
mint_bytes_first(uint64_t found)
{
    return (size_t) __builtin_ctzll(found) >> 3;
}

#endif /* MINT_BYTES_H */
