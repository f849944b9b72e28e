/* SPDX-License-Identifier: MIT */
/*
 * Why a plugin is shared or isolated, for people.
 */

#include "supervisor/plugin/reason.h"

#include <string.h>


static void reason_shared(const struct reason_input *in, struct strbuf *out);
static void reason_isolated(const struct reason_input *in,
    struct strbuf *out);


char *
reason_sentence(const struct reason_input *in)
{
    char           *sentence;
    struct strbuf   text;

    memset(&text, 0, sizeof(text));

    if (in->mode == PLUGIN_SHARED) {
        reason_shared(in, &text);

    } else {
        reason_isolated(in, &text);
    }

    sentence = mem_strdup(strbuf_text(&text));
    strbuf_free(&text);

    return sentence;
}


/* what belongs to an extra of the plugin itself is not worth a line */

json_t *
reason_details(const struct reason_input *in)
{
    size_t                     i;
    json_t                    *details;
    struct strbuf              text;
    const struct requirement  *requirement;

    memset(&text, 0, sizeof(text));
    details = json_array();

    for (i = 0; i < in->count; i++) {
        requirement = &in->requirements[i];

        if (requirement->verdict == REQUIREMENT_OTHER
            && marker_names(&requirement->marker, "extra"))
        {
            continue;
        }

        strbuf_clear(&text);
        requirement_explain(requirement, in->scene, in->mode, in->chosen,
                            &text);
        json_array_append_new(details, json_string(strbuf_text(&text)));
    }

    strbuf_free(&text);

    return details;
}


static const struct requirement *
reason_first_clash(const struct reason_input *in)
{
    size_t  i;

    for (i = 0; i < in->count; i++) {
        if (in->requirements[i].verdict == REQUIREMENT_CLASH) {
            return &in->requirements[i];
        }
    }

    return NULL;
}


/* the engine knows who asks for what; without it, what is installed and by
   whom it is needed */

static bool
reason_clash(const struct reason_input *in, struct strbuf *out)
{
    const struct requirement  *requirement;

    if (in->clash != NULL) {
        clash_write(in->clash, out);
        return true;
    }

    requirement = reason_first_clash(in);

    if (requirement == NULL) {
        return false;
    }

    strbuf_puts(out, "it needs ");
    requirement_clash(requirement, in->scene, out);

    return true;
}


static void
reason_shared(const struct reason_input *in, struct strbuf *out)
{
    if (in->force != REASON_FORCED_SHARED) {
        strbuf_puts(out, "shared because everything it needs fits the "
                    "platform environment");
        requirement_changes(in->scene, in->chosen, out);
        return;
    }

    strbuf_puts(out, "shared because plugins.forceShared names it");

    if (!in->overridden) {
        requirement_changes(in->scene, in->chosen, out);
        return;
    }

    strbuf_puts(out, ", although ");

    if (!reason_clash(in, out)) {
        strbuf_printf(out, "its packages do not fit: %s",
                      in->conflict != NULL ? in->conflict : "");
    }
}


static void
reason_isolated(const struct reason_input *in, struct strbuf *out)
{
    if (in->force == REASON_FORCED_ISOLATED) {
        strbuf_puts(out, "isolated because plugins.forceIsolated names it");
        return;
    }

    strbuf_puts(out, "isolated because ");

    if (in->refusal != NULL) {
        strbuf_puts(out, in->refusal);
        return;
    }

    if (!reason_clash(in, out)) {
        strbuf_printf(out, "its packages do not fit the shared environment: "
                      "%s", in->conflict != NULL ? in->conflict : "");
    }
}
