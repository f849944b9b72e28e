/* SPDX-License-Identifier: MIT */
/*
 * Run file "identity": who users are and what secrets the edge needs.
 *
 * Whatever fits in a word is one atomic word.  Everything longer (permission
 * texts, names, keys, plugin tokens) is an immutable blob in an append-only
 * arena, published by one release-stored reference word {offset, length,
 * sequence}.  A reader loads the reference (acquire), bounds-checks and
 * copies the blob, issues an acquire fence and reloads the reference: equal
 * means whole.  Blobs are never overwritten within a file; a full arena is a
 * new file (see mint_run.h).
 *
 * Mode 0640 mint:mint-edge.  It holds signing keys and plugin tokens: plugin
 * users must never be able to open it.
 */

#ifndef MINT_IDENTITY_H
#define MINT_IDENTITY_H

#include "mint_run.h"


#define MINT_IDENTITY_CAPACITY_USERS    0   /* power of two */
#define MINT_IDENTITY_CAPACITY_ROLES    1
#define MINT_IDENTITY_CAPACITY_PLUGINS  2
#define MINT_IDENTITY_CAPACITY_PATS     3   /* power of two */
#define MINT_IDENTITY_CAPACITY_DENIED   4   /* power of two */
#define MINT_IDENTITY_CAPACITY_KEYS     5   /* MINT_IDENTITY_KEYS */

#define MINT_IDENTITY_SECTION_USERS     0
#define MINT_IDENTITY_SECTION_ROLES     1
#define MINT_IDENTITY_SECTION_PLUGINS   2
#define MINT_IDENTITY_SECTION_PATS      3
#define MINT_IDENTITY_SECTION_DENIED    4
#define MINT_IDENTITY_SECTION_ARENA     5   /* up to file_bytes; its first 64
                                               bytes are struct
                                               mint_identity_misc */

#define MINT_IDENTITY_KEYS        2
#define MINT_KEY_ID_MAX           16
#define MINT_KEY_SECRET_MAX       64
#define MINT_TOKEN_MAX            128       /* a plugin's internal token */
#define MINT_BLOB_MAX             65536


/* reference word: offset / 16 in bits 0-27, length in 28-47, sequence 48-63 */

static inline uint64_t
mint_blob_ref(uint64_t offset, uint32_t length, uint16_t sequence)
{
    return (offset >> 4 & 0xfffffff) | (uint64_t) (length & 0xfffff) << 28
           | (uint64_t) sequence << 48;
}

#define mint_blob_offset(ref)  (((ref) & 0xfffffff) << 4)   /* in the file */
#define mint_blob_length(ref)  ((uint32_t) ((ref) >> 28 & 0xfffff))


enum mint_user_flag {
    MINT_USER_ACTIVE = 1
};


/*
 * One user: open addressing with linear probing, start = (id * golden) >> 32
 * & (users - 1); id 0 = never used.  Word: session version in bits 0-31, role
 * index in 32-39, enum mint_user_flag in 40-47.
 */

struct mint_identity_user {
    uint64_t  id;               /* atomic, written last (release) */
    uint64_t  word;             /* atomic */
    uint64_t  name;             /* atomic blob reference: user name, UTF-8 */
    uint64_t  reserved;
};

static inline uint64_t
mint_user_word(uint32_t session_version, uint8_t role, uint8_t flags)
{
    return session_version | (uint64_t) role << 32 | (uint64_t) flags << 40;
}

#define mint_user_session_version(word)  ((uint32_t) (word))
#define mint_user_role(word)             ((unsigned) ((word) >> 32 & 0xff))
#define mint_user_flags(word)            ((unsigned) ((word) >> 40 & 0xff))

static inline uint32_t
mint_identity_hash(uint64_t id)
{
    return (uint32_t) (id * 0x9e3779b97f4a7c15ULL >> 32);
}


enum mint_role_flag {
    MINT_ROLE_ADMIN = 1,
    MINT_ROLE_PLUGINS_USE = 2,          /* holds permission plugins.use */
    MINT_ROLE_ALL_PLUGINS = 4           /* plugin_access is "all" */
};


struct mint_identity_role {
    uint64_t  word;             /* atomic; enum mint_role_flag, bit 63 = used */
    uint64_t  slug;             /* atomic blob reference */
    uint64_t  permissions;      /* atomic blob reference: the JSON array sent
                                   as x-mint-user-permissions */
    uint64_t  plugin_access;    /* atomic blob reference: bit map of plugin
                                   ids, only without MINT_ROLE_ALL_PLUGINS */
};


/* indexed by plugin id; 0 is the platform */
struct mint_identity_plugin {
    uint64_t  token;            /* atomic blob reference, 0 = none */
    uint64_t  reserved;
};


/* a personal token: linear probing over the hash's first word */
struct mint_identity_pat {
    uint64_t  hash[4];          /* SHA-256; all 0 = never used */
    uint64_t  user_id;          /* atomic; 0 = revoked */
    uint64_t  word;             /* atomic; bit 0 = read-only,
                                   bits 16-63 = expiry, unix seconds */
};


/* a denied token id: FNV-1a 64 of jti (mint_prefix_hash), linear probing */
struct mint_identity_denied {
    uint64_t  jti_hash;         /* atomic; 0 = never used */
    uint64_t  expires_unix;     /* atomic; after it the row may be reused */
};


/* a signing key's blob */
struct mint_identity_key {
    char      id[MINT_KEY_ID_MAX];      /* "kid", NUL padded */
    uint32_t  secret_len;
    uint32_t  reserved;
    uint8_t   secret[MINT_KEY_SECRET_MAX];
    uint64_t  padding;
};


/* the first 64 bytes of the arena */
struct mint_identity_misc {
    uint64_t  key[MINT_IDENTITY_KEYS];  /* atomic blob references; [0] signs */
    uint64_t  edge_secret;              /* atomic blob reference */
    uint64_t  store_sequence;           /* atomic; the platform's number */
    uint64_t  arena_used;               /* atomic; writer's next free byte */
    uint64_t  reserved[3];
};


_Static_assert(sizeof(struct mint_identity_user) == 32, "user size");
_Static_assert(sizeof(struct mint_identity_role) == 32, "role size");
_Static_assert(sizeof(struct mint_identity_plugin) == 16, "plugin size");
_Static_assert(sizeof(struct mint_identity_pat) == 48, "pat size");
_Static_assert(sizeof(struct mint_identity_denied) == 16, "denied size");
_Static_assert(sizeof(struct mint_identity_key) == 96, "key size");
_Static_assert(sizeof(struct mint_identity_misc) == 64, "misc size");

#endif /* MINT_IDENTITY_H */
