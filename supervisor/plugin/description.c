/* SPDX-License-Identifier: MIT */
/*
 * Headings of Markdown, as CommonMark has them: "## title", or a title with a
 * line of "=" or "-" below it.  What stands in a fenced block is no heading.
 */

#include "supervisor/plugin/description.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/strbuf.h"
#include "lib/text.h"


#define DESCRIPTION_INDENT_MAX  3       /* more makes it code */
#define DESCRIPTION_LEVELS      6


/* a piece of the text, not ended by NUL */
struct description_line {
    const char  *text;
    size_t       len;
};


struct description_reader {
    const char              *p;
    const char              *end;
    struct description_line  line;      /* the present one */
    struct description_line  before;    /* len 0: blank, or there is none */
    char                     fence;     /* '`' or '~' while in a block */
    size_t                   fence_len;
};


static bool description_next(struct description_reader *reader);
static struct description_line description_peek(
    const struct description_reader *reader);
static struct description_line description_trim(struct description_line line);
static size_t description_run(struct description_line line, char c);
static bool description_fence(struct description_reader *reader,
    struct description_line line);
static int description_heading(struct description_reader *reader,
    struct description_line *title);
static int description_hashes(struct description_line line,
    struct description_line *title);
static int description_underline(struct description_line line);
static char *description_collect(struct description_reader *reader,
    int level);
static char *description_copy(const char *text, size_t len);
static size_t description_cut(const char *text);


char *
description_section(const char *text, size_t len, const char *title)
{
    int                        level;
    struct description_line    found;
    struct description_reader  reader;

    memset(&reader, 0, sizeof(reader));
    reader.p = text;
    reader.end = text + len;

    while (description_next(&reader)) {
        level = description_heading(&reader, &found);

        if (level != 0 && found.len == strlen(title)
            && strncasecmp(found.text, title, found.len) == 0)
        {
            return description_collect(&reader, level);
        }
    }

    return NULL;
}


static bool
description_next(struct description_reader *reader)
{
    if (reader->p == reader->end) {
        return false;
    }

    reader->before = description_trim(reader->line);
    reader->line = description_peek(reader);
    reader->p = reader->line.text + reader->line.len;
    reader->p += reader->p < reader->end;

    return true;
}


static struct description_line
description_peek(const struct description_reader *reader)
{
    const char               *end;
    struct description_line   line;

    line.text = reader->p;
    line.len = (size_t) (reader->end - reader->p);
    end = line.len > 0 ? memchr(line.text, '\n', line.len) : NULL;

    if (end != NULL) {
        line.len = (size_t) (end - line.text);
    }

    return line;
}


static bool
description_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}


static struct description_line
description_trim(struct description_line line)
{
    while (line.len > 0 && description_is_blank(line.text[0])) {
        line.text++;
        line.len--;
    }

    while (line.len > 0 && description_is_blank(line.text[line.len - 1])) {
        line.len--;
    }

    return line;
}


static size_t
description_run(struct description_line line, char c)
{
    size_t  n;

    for (n = 0; n < line.len && line.text[n] == c; n++) {
        /* void */
    }

    return n;
}


/* does the line open or close a block, or lie in one? */

static bool
description_fence(struct description_reader *reader,
    struct description_line line)
{
    size_t  n;

    if (reader->fence != 0) {
        n = description_run(line, reader->fence);

        if (n >= reader->fence_len && n == line.len) {
            reader->fence = 0;
        }

        return true;
    }

    n = line.len > 0 && (line.text[0] == '`' || line.text[0] == '~')
        ? description_run(line, line.text[0]) : 0;

    /* "```x```" is code within a line */

    if (n < 3 || (line.text[0] == '`'
                  && memchr(line.text + n, '`', line.len - n) != NULL))
    {
        return false;
    }

    reader->fence = line.text[0];
    reader->fence_len = n;

    return true;
}


/* the level of the present line if it is a heading, else 0; a line below the
   title is read, too.  What is no paragraph counts as a blank line before the
   next one */

static int
description_heading(struct description_reader *reader,
    struct description_line *title)
{
    int                      level;
    size_t                   indent;
    struct description_line  line;

    line = description_trim(reader->line);
    indent = (size_t) (line.text - reader->line.text);

    if (line.len == 0 || indent > DESCRIPTION_INDENT_MAX
        || memchr(reader->line.text, '\t', indent) != NULL)
    {
        return 0;
    }

    if (description_fence(reader, line)) {
        reader->line.len = 0;
        return 0;
    }

    level = description_hashes(line, title);

    /* a title of several lines is none that anybody asks for; quotes, tables
       and items of lists have lines of dashes below them for other reasons */

    if (level == 0 && reader->before.len == 0
        && strchr("-*+>|=", line.text[0]) == NULL)
    {
        level = description_underline(description_peek(reader));

        if (level != 0) {
            *title = line;
            description_next(reader);
        }
    }

    if (level != 0) {
        reader->line.len = 0;
    }

    return level;
}


/* "## title", maybe with "##" behind it */

static int
description_hashes(struct description_line line,
    struct description_line *title)
{
    size_t                   level, n;
    struct description_line  rest;

    level = description_run(line, '#');

    if (level == 0 || level > DESCRIPTION_LEVELS
        || (level < line.len && !description_is_blank(line.text[level])))
    {
        return 0;
    }

    line.text += level;
    line.len -= level;
    rest = description_trim(line);

    for (n = rest.len; n > 0 && rest.text[n - 1] == '#'; n--) {
        /* void */
    }

    if (n == 0 || description_is_blank(rest.text[n - 1])) {
        rest.len = n;
    }

    *title = description_trim(rest);

    return (int) level;
}


static int
description_underline(struct description_line line)
{
    struct description_line  rest;

    rest = description_trim(line);

    if (rest.len == 0
        || (size_t) (rest.text - line.text) > DESCRIPTION_INDENT_MAX)
    {
        return 0;
    }

    return description_run(rest, '=') == rest.len ? 1
           : description_run(rest, '-') == rest.len ? 2 : 0;
}


/* lines of a block are taken as they are: they are headings of nothing */

static char *
description_collect(struct description_reader *reader, int level)
{
    int                      found;
    const char              *begin, *end;
    struct description_line  title;

    begin = reader->p;
    end = reader->p;

    while (description_next(reader)) {
        found = description_heading(reader, &title);

        if (found != 0 && found <= level) {
            break;
        }

        end = reader->p;
    }

    while (begin < end && (*begin == '\n' || *begin == '\r')) {
        begin++;
    }

    while (begin < end && (end[-1] == '\n' || description_is_blank(end[-1]))) {
        end--;
    }

    return begin < end ? description_copy(begin, (size_t) (end - begin))
                       : NULL;
}


static char *
description_copy(const char *text, size_t len)
{
    bool            is_cut;
    char           *copy;
    size_t          i;
    struct strbuf   out;

    memset(&out, 0, sizeof(out));
    is_cut = len > DESCRIPTION_SECTION_MAX;

    if (is_cut) {
        len = description_cut(text);
    }

    for (i = 0; i < len; i++) {
        if (text[i] == '\0') {
            strbuf_puts(&out, "?");

        } else if (text[i] != '\r' || i + 1 == len || text[i + 1] != '\n') {
            strbuf_append(&out, text + i, 1);
        }
    }

    if (is_cut) {
        strbuf_puts(&out, out.data[out.len - 1] == '\n' ? "..." : "\n...");
    }

    copy = mem_strdup(strbuf_text(&out));
    strbuf_free(&out);
    text_clean(copy);

    return copy;
}


/* whole lines, unless the first one has it all */

static size_t
description_cut(const char *text)
{
    size_t  len;

    for (len = DESCRIPTION_SECTION_MAX; len > 0; len--) {
        if (text[len - 1] == '\n') {
            return len;
        }
    }

    return DESCRIPTION_SECTION_MAX;
}
