/* SPDX-License-Identifier: MIT */
/*
 * What looks like a secret: by its shape, or by the name in front of it.
 */

#include <ctype.h>
#include <string.h>

#include "redact_private.h"


static bool redact_shape(const char *text, size_t at,
    struct redact_span *span);
static bool redact_scheme(const char *text, size_t at,
    struct redact_span *span);
static bool redact_url(const char *text, size_t at,
    struct redact_span *span);
static bool redact_named(const char *text, size_t at,
    struct redact_span *span);


const redact_rule_fn  redact_rules[] = {
    redact_url,
    redact_scheme,
    redact_shape,
    redact_named,
    NULL
};


/* parts of names, in lower case and without - _ and . */

static const char *const  redact_words[] = {
    "password", "passwd", "passphrase", "secret", "token", "apikey",
    "accesskey", "privatekey", "secretkey", "signingkey", "encryptionkey",
    "credential", "authorization", "cookie", "sessionid", "jwt"
};

/* names that have such a part and are harmless */

static const char *const  redact_harmless[] = {
    "tokens", "tokeniz", "tokenexpire", "tokentype", "tokencount",
    "passwordresetrequired", "cookiename", "tokenurl"
};

/* how secrets of well-known services begin, and how long they are at least */

static const struct {
    const char  *prefix;
    size_t       least;
}  redact_shapes[] = {
    { "mint_pat_", 12 }, { "ghp_", 20 }, { "gho_", 20 }, { "ghs_", 20 },
    { "github_pat_", 20 }, { "glpat-", 16 }, { "sk-", 24 }, { "xoxb-", 16 },
    { "xoxp-", 16 }, { "AKIA", 20 }, { "pypi-", 24 }, { "hf_", 24 }
};


/* ---- what looks like one --------------------------------------------- */

static bool
redact_is_word(char c)
{
    return isalnum((unsigned char) c) || c == '_' || c == '-';
}


static bool
redact_begins_word(const char *text, size_t at)
{
    return at == 0 || !redact_is_word(text[at - 1]);
}


static size_t
redact_word(const char *text)
{
    size_t  n;

    for (n = 0; redact_is_word(text[n]); n++) {
        /* void */
    }

    return n;
}


/* header.payload.signature in base64url; the first begins with {" */

static size_t
redact_jwt(const char *text)
{
    size_t  n, m;

    if (strncmp(text, "eyJ", 3) != 0) {
        return 0;
    }

    n = redact_word(text);

    if (n < 10 || text[n] != '.') {
        return 0;
    }

    m = redact_word(text + n + 1);

    if (m < 4) {
        return 0;
    }

    n += 1 + m;

    return text[n] == '.' ? n + 1 + redact_word(text + n + 1) : n;
}


static bool
redact_shape(const char *text, size_t at, struct redact_span *span)
{
    size_t  i, n;

    if (!redact_begins_word(text, at)) {
        return false;
    }

    span->keep = 0;
    span->drop = redact_jwt(text + at);

    if (span->drop > 0) {
        return true;
    }

    for (i = 0; i < sizeof(redact_shapes) / sizeof(redact_shapes[0]); i++) {
        n = strlen(redact_shapes[i].prefix);

        if (strncmp(text + at, redact_shapes[i].prefix, n) == 0
            && redact_word(text + at) >= redact_shapes[i].least)
        {
            span->drop = redact_word(text + at);
            return true;
        }
    }

    return false;
}


/* "Bearer abc.def=": the scheme stays */

static bool
redact_scheme(const char *text, size_t at, struct redact_span *span)
{
    size_t  i, n;

    static const char *const  schemes[] = { "bearer", "basic", "digest" };

    if (!redact_begins_word(text, at)) {
        return false;
    }

    for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        n = strlen(schemes[i]);

        if (strncasecmp(text + at, schemes[i], n) == 0 && text[at + n] == ' ')
        {
            span->keep = n + strspn(text + at + n, " ");
            span->drop = strcspn(text + at + span->keep, " \t\r\n\"'<>,;\\");
            return span->drop >= 8;
        }
    }

    return false;
}


/* "scheme://user:password@host": the password; without one, the user */

static bool
redact_url(const char *text, size_t at, struct redact_span *span)
{
    size_t       n;
    const char  *colon, *p;

    p = text + at;

    if (strncmp(p, "://", 3) != 0) {
        return false;
    }

    n = strcspn(p + 3, "/?# \t\r\n\"'<>\\");

    for ( /* void */ ; n > 0 && p[3 + n] != '@'; n--) {
        /* the last @ of the authority ends it */
    }

    if (n == 0) {
        return false;
    }

    colon = memchr(p + 3, ':', n);
    span->keep = colon != NULL ? (size_t) (colon + 1 - p) : 3;
    span->drop = 3 + n - span->keep;

    return span->drop > 0;
}


/* ---- what is named so ------------------------------------------------ */

bool
redact_is_secret_name(const char *name, size_t len)
{
    char    plain[REDACT_NAME_MAX + 1];
    size_t  i, n;

    if (len > REDACT_NAME_MAX) {
        name += len - REDACT_NAME_MAX;
        len = REDACT_NAME_MAX;
    }

    for (i = 0, n = 0; i < len; i++) {
        if (isalnum((unsigned char) name[i])) {
            plain[n++] = (char) tolower((unsigned char) name[i]);
        }
    }

    plain[n] = '\0';

    for (i = 0; i < sizeof(redact_harmless) / sizeof(redact_harmless[0]); i++)
    {
        if (strstr(plain, redact_harmless[i]) != NULL) {
            return false;
        }
    }

    for (i = 0; i < sizeof(redact_words) / sizeof(redact_words[0]); i++) {
        if (strstr(plain, redact_words[i]) != NULL) {
            return true;
        }
    }

    return strcmp(plain, "pwd") == 0 || strcmp(plain, "pass") == 0;
}


/* how much of text, behind a quote, belongs to a quoted value */

static size_t
redact_quoted(const char *text, char quote, bool is_escaped)
{
    size_t  n;

    for (n = 0; text[n] != '\0' && text[n] != '\n'; n++) {
        if (text[n] == '\\' && is_escaped && text[n + 1] == quote) {
            break;
        }

        if (text[n] == '\\' && !is_escaped && text[n + 1] != '\0') {
            n++;
            continue;
        }

        if (text[n] == quote) {
            break;
        }
    }

    return n;
}


/* headers whose whole line is the value */

static bool
redact_is_header(const char *name, size_t len)
{
    size_t  i;

    static const char *const  headers[] = {
        "authorization", "proxy-authorization", "cookie", "set-cookie"
    };

    for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        if (strlen(headers[i]) == len
            && strncasecmp(name, headers[i], len) == 0)
        {
            return true;
        }
    }

    return false;
}


static bool
redact_is_nothing(const char *value, size_t len)
{
    size_t  i;

    static const char *const  words[] = {
        "", "null", "none", "true", "false", "undefined"
    };

    if (strncmp(value, REDACTED, strlen(REDACTED)) == 0) {
        return true;                    /* by an earlier pass */
    }

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strlen(words[i]) == len && strncasecmp(words[i], value, len) == 0)
        {
            return true;
        }
    }

    return false;
}


/* where the value begins, behind the name's len bytes; 0: there is none */

static size_t
redact_separator(const char *text, size_t at, size_t len)
{
    size_t       n;
    const char  *p;

    p = text + at;
    n = len;

    if (at >= 2 && text[at - 1] == '-' && text[at - 2] == '-' && p[n] == ' ')
    {
        return n + strspn(p + n, " ");          /* --password VALUE */
    }

    n += strspn(p + n, "\\");
    n += strspn(p + n, "\"'])");
    n += strspn(p + n, " \t");

    if (p[n] != ':' && p[n] != '=') {
        return 0;
    }

    n += strspn(p + n, ":=>");

    return n + strspn(p + n, " \t");
}


static bool
redact_named(const char *text, size_t at, struct redact_span *span)
{
    bool         is_escaped;
    size_t       len, n;
    const char  *p;

    p = text + at;

    if (at > 0 && (isalnum((unsigned char) text[at - 1])
                   || text[at - 1] == '_' || text[at - 1] == '.'))
    {
        return false;
    }

    for (len = 0; redact_is_word(p[len]) || p[len] == '.'; len++) {
        if (len > 2 * REDACT_NAME_MAX) {
            return false;               /* no name is that long */
        }
    }

    if (len == 0 || !redact_is_secret_name(p, len)) {
        return false;
    }

    n = redact_separator(text, at, len);

    if (n == 0) {
        return false;
    }

    span->keep = n;
    is_escaped = p[n] == '\\' && (p[n + 1] == '"' || p[n + 1] == '\'');
    n += is_escaped ? 1 : 0;

    if ((p[n] == 'b' || p[n] == 'f' || p[n] == 'r')
        && (p[n + 1] == '"' || p[n + 1] == '\''))
    {
        n++;                                    /* Python's b'...' */
    }

    if (p[n] == '"' || p[n] == '\'') {
        span->keep = n + 1;
        span->drop = redact_quoted(p + n + 1, p[n], is_escaped);

    } else if (redact_is_header(p, len)) {
        span->drop = strcspn(p + n, "\r\n\"'\\");

    } else {
        span->drop = strcspn(p + n, " \t\r\n,;&|<>)}]\"'\\");
    }

    return !redact_is_nothing(p + span->keep, span->drop);
}
