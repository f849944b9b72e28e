/* SPDX-License-Identifier: MIT */
/*
 * A clash for people, as a sentence and as data.  What packages call things
 * may be long: it is cut.
 */

#include "supervisor/plugin/clash_private.h"

#include <string.h>


#define CLASH_STEPS_SHOWN  6
#define CLASH_TEXT_SHOWN   120


static void clash_put(const char *text, struct strbuf *out);
static void clash_write_side(const struct clash_chain *chain,
    struct strbuf *out);
static void clash_write_through(const struct clash_chain *chain,
    struct strbuf *out);
static json_t *clash_encode_one(const struct clash *clash);
static json_t *clash_encode_chain(const struct clash_chain *chain);


static const char *const  clash_verdict_names[] = {
    [CLASH_UNKNOWN] = "unknown",
    [CLASH_FITS] = "fits",
    [CLASH_CLASHES] = "clashes"
};


/* what is quoted may be cut, or be anything: it becomes text in any case */

char *
clash_doubt_text(const char *format, va_list args)
{
    char           *p, *out;
    struct strbuf   text;

    memset(&text, 0, sizeof(text));
    strbuf_vprintf(&text, format, args);
    out = mem_strdup(strbuf_text(&text));
    strbuf_free(&text);

    for (p = out; *p != '\0'; p++) {
        if (*p < ' ' || *p > '~') {
            *p = '?';
        }
    }

    return out;
}


const char *
clash_verdict_name(enum clash_verdict verdict)
{
    return clash_verdict_names[verdict];
}


void
clash_write(const struct clash *clash, struct strbuf *out)
{
    clash_write_side(&clash->needs, out);
    strbuf_puts(out, " needs ");
    clash_put(clash->needs.steps[clash->needs.count - 1].requirement, out);
    clash_write_through(&clash->needs, out);

    strbuf_puts(out, clash->is_newcomer ? "; this is "
                : clash->role == CLASH_CORE ? "; the platform's core has "
                : "; the shared environment has ");
    clash_put(clash->package, out);
    strbuf_puts(out, " ");
    clash_put(clash->installed, out);

    if (clash->has.count > 0) {
        strbuf_puts(out, ", required (");
        clash_put(clash->has.steps[clash->has.count - 1].requirement, out);
        strbuf_puts(out, ") by ");
        clash_write_side(&clash->has, out);
        clash_write_through(&clash->has, out);
    }
}


/* cut between two characters */

static void
clash_put(const char *text, struct strbuf *out)
{
    size_t  len;

    len = strnlen(text, CLASH_TEXT_SHOWN + 1);

    if (len <= CLASH_TEXT_SHOWN) {
        strbuf_puts(out, text);
        return;
    }

    len = CLASH_TEXT_SHOWN;

    while (len > 0 && ((unsigned char) text[len] & 0xc0) == 0x80) {
        len--;
    }

    strbuf_append(out, text, len);
    strbuf_puts(out, "...");
}


/* who stands at the beginning */

static void
clash_write_side(const struct clash_chain *chain, struct strbuf *out)
{
    clash_put(chain->steps[0].by, out);

    if (chain->steps[0].version[0] != '\0') {
        strbuf_puts(out, " ");
        clash_put(chain->steps[0].version, out);
    }
}


static void
clash_write_through(const struct clash_chain *chain, struct strbuf *out)
{
    size_t  i;

    for (i = 0; i + 1 < chain->count; i++) {
        if (i == CLASH_STEPS_SHOWN) {
            strbuf_puts(out, " and others");
            return;
        }

        strbuf_puts(out, i == 0 ? " through its dependency " : ", then ");
        clash_put(chain->steps[i].requirement, out);
    }
}


json_t *
clash_encode(const struct clash_result *result)
{
    size_t   i;
    json_t  *out, *list;

    out = json_object();
    list = json_array();

    json_object_set_new(out, "verdict",
                        json_string(clash_verdict_name(result->verdict)));
    json_object_set_new(out, "doubt", result->doubt != NULL
                        ? json_string(result->doubt) : json_null());

    for (i = 0; i < result->count; i++) {
        json_array_append_new(list, clash_encode_one(&result->clashes[i]));
    }

    json_object_set_new(out, "clashes", list);

    return out;
}


/* cut, as it is kept with the plugin for ever */

static json_t *
clash_encode_text(const char *text)
{
    json_t         *out;
    struct strbuf   shown;

    memset(&shown, 0, sizeof(shown));
    clash_put(text, &shown);
    out = json_string(strbuf_text(&shown));
    strbuf_free(&shown);

    return out;
}


static json_t *
clash_encode_one(const struct clash *clash)
{
    json_t         *out;
    struct strbuf   text;

    memset(&text, 0, sizeof(text));
    clash_write(clash, &text);

    out = json_object();
    json_object_set_new(out, "sentence", json_string(strbuf_text(&text)));
    json_object_set_new(out, "package", clash_encode_text(clash->package));
    json_object_set_new(out, "installed",
                        clash_encode_text(clash->installed));
    json_object_set_new(out, "core", json_boolean(clash->role == CLASH_CORE));
    json_object_set_new(out, "certain", json_boolean(clash->is_certain));
    json_object_set_new(out, "needs", clash_encode_chain(&clash->needs));
    json_object_set_new(out, "has", clash_encode_chain(&clash->has));

    strbuf_free(&text);

    return out;
}


static json_t *
clash_encode_chain(const struct clash_chain *chain)
{
    size_t                    i;
    json_t                   *out, *step;
    const struct clash_step  *from;

    out = json_array();

    /* the last ones ask for the package */

    i = chain->count > CLASH_STEPS_SHOWN ? chain->count - CLASH_STEPS_SHOWN
                                         : 0;

    for ( /* void */ ; i < chain->count; i++) {
        from = &chain->steps[i];

        step = json_object();
        json_object_set_new(step, "by", clash_encode_text(from->by));
        json_object_set_new(step, "version", clash_encode_text(from->version));
        json_object_set_new(step, "requirement",
                            clash_encode_text(from->requirement));
        json_array_append_new(out, step);
    }

    return out;
}
