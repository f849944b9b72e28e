/* SPDX-License-Identifier: MIT */
/*
 * Which kind of answer a client prefers (RFC 9110, 12.5.1), and escaping for
 * pages.
 */

#include "ngx_http_mint_markup.h"

#include <string.h>
#include <strings.h>


#define NGX_HTTP_MINT_MARKUP_ONE  1000      /* quality 1 */


typedef struct {
    const uint8_t  *data;
    size_t          len;
} ngx_http_mint_piece_t;


static ngx_http_mint_piece_t ngx_http_mint_markup_cut(
    ngx_http_mint_piece_t *rest, uint8_t separator);
static void ngx_http_mint_markup_trim(ngx_http_mint_piece_t *piece);
static int ngx_http_mint_markup_quality(ngx_http_mint_piece_t parameters,
    unsigned *quality);
static int ngx_http_mint_markup_number(const ngx_http_mint_piece_t *text,
    unsigned *quality);
static void ngx_http_mint_markup_like(ngx_http_mint_liking_t *liking,
    unsigned rank, unsigned quality);


/* which ranges say something about which kind, and how specifically */

static const struct {
    const char  *range;
    unsigned     page;
    unsigned     problem;
} ngx_http_mint_markup_ranges[] = {
    { "*/*", 1, 1 },
    { "text/*", 2, 0 },
    { "text/html", 3, 0 },
    { "application/*", 0, 2 },
    { "application/json", 0, 3 },
    { "application/problem+json", 0, 3 }
};

#define NGX_HTTP_MINT_MARKUP_RANGES                                           \
    (sizeof(ngx_http_mint_markup_ranges)                                      \
     / sizeof(ngx_http_mint_markup_ranges[0]))


void
ngx_http_mint_markup_accept(ngx_http_mint_accept_t *accept,
    const uint8_t *line, size_t len)
{
    size_t                  i;
    unsigned                quality;
    const char             *name;
    ngx_http_mint_piece_t   rest, element, range;

    rest.data = line;
    rest.len = len;

    while (rest.len != 0) {
        element = ngx_http_mint_markup_cut(&rest, ',');
        range = ngx_http_mint_markup_cut(&element, ';');
        ngx_http_mint_markup_trim(&range);

        if (!ngx_http_mint_markup_quality(element, &quality)) {
            continue;
        }

        for (i = 0; i < NGX_HTTP_MINT_MARKUP_RANGES; i++) {
            name = ngx_http_mint_markup_ranges[i].range;

            if (range.len != strlen(name)
                || strncasecmp((const char *) range.data, name, range.len)
                   != 0)
            {
                continue;
            }

            ngx_http_mint_markup_like(&accept->page,
                                      ngx_http_mint_markup_ranges[i].page,
                                      quality);
            ngx_http_mint_markup_like(&accept->problem,
                                      ngx_http_mint_markup_ranges[i].problem,
                                      quality);
        }
    }
}


int
ngx_http_mint_markup_wants_page(const ngx_http_mint_accept_t *accept)
{
    const ngx_http_mint_liking_t  *page, *problem;

    page = &accept->page;
    problem = &accept->problem;

    if (page->quality == 0) {
        return 0;
    }

    return page->quality > problem->quality
           || (page->quality == problem->quality
               && page->rank > problem->rank);
}


/* what is before the separator, which does not count between quotes */

static ngx_http_mint_piece_t
ngx_http_mint_markup_cut(ngx_http_mint_piece_t *rest, uint8_t separator)
{
    int                     is_quoted;
    size_t                  i;
    ngx_http_mint_piece_t   piece;

    is_quoted = 0;

    for (i = 0; i < rest->len; i++) {
        if (rest->data[i] == '"') {
            is_quoted = !is_quoted;

        } else if (rest->data[i] == '\\' && is_quoted) {
            i += i + 1 < rest->len;

        } else if (rest->data[i] == separator && !is_quoted) {
            break;
        }
    }

    piece.data = rest->data;
    piece.len = i;

    i += i < rest->len;
    rest->data += i;
    rest->len -= i;

    return piece;
}


static void
ngx_http_mint_markup_trim(ngx_http_mint_piece_t *piece)
{
    while (piece->len != 0
           && (piece->data[0] == ' ' || piece->data[0] == '\t'))
    {
        piece->data++;
        piece->len--;
    }

    while (piece->len != 0
           && (piece->data[piece->len - 1] == ' '
               || piece->data[piece->len - 1] == '\t'))
    {
        piece->len--;
    }
}


/* 1 without "q"; 0 is returned for a malformed one */

static int
ngx_http_mint_markup_quality(ngx_http_mint_piece_t parameters,
    unsigned *quality)
{
    ngx_http_mint_piece_t  parameter;

    *quality = NGX_HTTP_MINT_MARKUP_ONE;

    while (parameters.len != 0) {
        parameter = ngx_http_mint_markup_cut(&parameters, ';');
        ngx_http_mint_markup_trim(&parameter);

        if (parameter.len >= 2
            && (parameter.data[0] == 'q' || parameter.data[0] == 'Q')
            && parameter.data[1] == '=')
        {
            parameter.data += 2;
            parameter.len -= 2;

            return ngx_http_mint_markup_number(&parameter, quality);
        }
    }

    return 1;
}


/* "0" or "1", a dot, up to three digits */

static int
ngx_http_mint_markup_number(const ngx_http_mint_piece_t *text,
    unsigned *quality)
{
    size_t    i;
    unsigned  value, unit;

    if (text->len == 0 || text->len > sizeof("0.000") - 1
        || (text->data[0] != '0' && text->data[0] != '1')
        || (text->len > 1 && text->data[1] != '.'))
    {
        return 0;
    }

    value = (text->data[0] - '0') * NGX_HTTP_MINT_MARKUP_ONE;
    unit = NGX_HTTP_MINT_MARKUP_ONE;

    for (i = 2; i < text->len; i++) {
        if (text->data[i] < '0' || text->data[i] > '9') {
            return 0;
        }

        unit /= 10;
        value += (text->data[i] - '0') * unit;
    }

    *quality = value;

    return value <= NGX_HTTP_MINT_MARKUP_ONE;
}


/* the most specific range counts, of equals the better one */

static void
ngx_http_mint_markup_like(ngx_http_mint_liking_t *liking, unsigned rank,
    unsigned quality)
{
    if (rank == 0 || rank < liking->rank) {
        return;
    }

    if (rank > liking->rank || quality > liking->quality) {
        liking->rank = rank;
        liking->quality = quality;
    }
}


size_t
ngx_http_mint_markup_escape(uint8_t *to, const uint8_t *text, size_t len)
{
    size_t       i, n, total;
    const char  *escape;

    total = 0;

    for (i = 0; i < len; i++) {

        switch (text[i]) {
        case '&':  escape = "&amp;"; break;
        case '<':  escape = "&lt;"; break;
        case '>':  escape = "&gt;"; break;
        case '"':  escape = "&quot;"; break;
        case '\'': escape = "&#39;"; break;
        default:   escape = text[i] < 0x20 || text[i] == 0x7f ? "?" : NULL;
        }

        n = escape != NULL ? strlen(escape) : 1;

        if (to != NULL) {
            memcpy(to + total, escape != NULL ? escape
                                              : (const char *) &text[i], n);
        }

        total += n;
    }

    return total;
}
