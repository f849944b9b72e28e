/* SPDX-License-Identifier: MIT */
/*
 * CRC-32 as zlib computes it (polynomial 0xedb88320, reflected).
 */

#ifndef MINT_CRC32_H
#define MINT_CRC32_H

#include <stddef.h>
#include <stdint.h>


/* crc: 0 to begin, or the result over the bytes before data */
uint32_t mint_crc32(uint32_t crc, const void *data, size_t len);

#endif /* MINT_CRC32_H */
