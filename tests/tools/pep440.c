/* SPDX-License-Identifier: MIT */
/*
 * pep440: answers one question a line about versions, specifiers, markers,
 * requirements and names, for tests/conformance.  Both ways JSON, question an
 * array whose first item names it; null is "not valid".
 */

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/plugin/names.h"
#include "supervisor/plugin/requirement.h"


typedef json_t *(*answer_fn)(const json_t *question);


static const char *
text_at(const json_t *question, size_t i)
{
    const char  *text;

    text = json_string_value(json_array_get(question, i));

    return text != NULL ? text : "";
}


static json_t *
taken(struct strbuf *text)
{
    json_t  *value;

    value = json_string(strbuf_text(text));
    strbuf_free(text);

    return value;
}


static json_t *
part_text(struct version_part part)
{
    return json_stringn(part.len > 0 ? part.at : "0",
                        part.len > 0 ? part.len : 1);
}


static bool
version_at(const json_t *question, size_t i, struct version *out)
{
    const char  *text;

    text = text_at(question, i);

    return version_parse(out, text, strlen(text), NULL) == 0;
}


static json_t *
answer_version(const json_t *question)
{
    json_t          *answer;
    struct strbuf    trimmed;
    struct version   version;

    static const char *const  phases[] = { "a", "b", "rc", "" };

    if (!version_at(question, 1, &version)) {
        return json_null();
    }

    memset(&trimmed, 0, sizeof(trimmed));
    version_write(&version, true, &trimmed);

    answer = json_array();
    json_array_append_new(answer, json_string(version.text));
    json_array_append_new(answer, taken(&trimmed));
    json_array_append_new(answer, part_text(version.epoch));
    json_array_append_new(answer, part_text(version.release));
    json_array_append_new(answer, json_string(phases[version.phase]));
    json_array_append_new(answer, version.phase != VERSION_FINAL
                          ? part_text(version.pre) : json_null());
    json_array_append_new(answer, version.has_post ? part_text(version.post)
                                                   : json_null());
    json_array_append_new(answer, version.has_dev ? part_text(version.dev)
                                                  : json_null());
    json_array_append_new(answer, version.local.len > 0
                          ? part_text(version.local) : json_null());
    json_array_append_new(answer,
                          json_boolean(version_is_prerelease(&version)));
    version_clear(&version);

    return answer;
}


/* "<" and the like; without one the order itself */

static json_t *
compared(int order, const char *operator)
{
    bool  is_negated;

    is_negated = operator[0] == '!';

    if (operator[0] == '\0') {
        return json_integer((order > 0) - (order < 0));
    }

    if (order == 0) {
        return json_boolean(operator[1] == '=' && !is_negated);
    }

    return json_boolean(is_negated || operator[0] == (order < 0 ? '<' : '>'));
}


static json_t *
answer_compare(const json_t *question)
{
    int              order;
    struct version   a, b;

    if (!version_at(question, 1, &a)) {
        return json_null();
    }

    if (!version_at(question, 2, &b)) {
        version_clear(&a);
        return json_null();
    }

    order = version_compare(&a, &b);
    version_clear(&a);
    version_clear(&b);

    return compared(order, text_at(question, 3));
}


static bool
set_at(const json_t *question, size_t i, struct specifier_set *out)
{
    const char  *text;

    text = text_at(question, i);

    return specifier_set_parse(out, text, strlen(text), NULL) == 0;
}


/* null, true and false */

static enum specifier_prereleases
prereleases_at(const json_t *question, size_t i)
{
    const json_t  *value;

    value = json_array_get(question, i);

    return json_is_true(value) ? SPECIFIER_ALLOW
           : json_is_false(value) ? SPECIFIER_REFUSE : SPECIFIER_AUTO;
}


static json_t *
answer_specifier(const json_t *question)
{
    json_t                *answer;
    const char            *text;
    struct strbuf          canonical;
    struct specifier_set   set;

    text = text_at(question, 1);

    if (specifier_set_parse_one(&set, text, strlen(text), NULL) != 0) {
        return json_null();
    }

    memset(&canonical, 0, sizeof(canonical));
    specifier_write_canonical(&set.items[0], &canonical);

    answer = json_array();
    json_array_append_new(answer, json_string(
        specifier_operator_name(set.items[0].operator)));
    json_array_append_new(answer, json_string(set.items[0].wanted));
    json_array_append_new(answer, taken(&canonical));
    specifier_set_clear(&set);

    return answer;
}


static json_t *
answer_set(const json_t *question)
{
    struct strbuf          text;
    struct specifier_set   set;

    if (!set_at(question, 1, &set)) {
        return json_null();
    }

    memset(&text, 0, sizeof(text));
    specifier_set_write(&set, &text);
    specifier_set_clear(&set);

    return taken(&text);
}


/* the kept ones' places */

static json_t *
filtered(const struct specifier_set *set, const json_t *question)
{
    bool           *keep;
    size_t          i, count;
    json_t         *answer, *list;
    const char    **texts;

    list = json_array_get(question, 2);
    count = json_array_size(list);
    texts = mem_alloc((count + 1) * sizeof(*texts));
    keep = mem_alloc((count + 1) * sizeof(*keep));
    answer = json_array();

    for (i = 0; i < count; i++) {
        texts[i] = text_at(list, i);
    }

    specifier_set_filter(set, texts, count, prereleases_at(question, 3), keep);

    for (i = 0; i < count; i++) {
        if (keep[i]) {
            json_array_append_new(answer, json_integer((json_int_t) i));
        }
    }

    free(texts);
    free(keep);

    return answer;
}


static json_t *
answer_filter(const json_t *question)
{
    json_t                *answer;
    struct specifier_set   set;

    if (!set_at(question, 1, &set)) {
        return json_null();
    }

    answer = filtered(&set, question);
    specifier_set_clear(&set);

    return answer;
}


static json_t *
answer_has(const json_t *question)
{
    json_t                *answer;
    struct specifier_set   set;

    if (!set_at(question, 1, &set)) {
        return json_null();
    }

    answer = json_boolean(specifier_set_has(&set, text_at(question, 2),
                                            prereleases_at(question, 3)));
    specifier_set_clear(&set);

    return answer;
}


static json_t *
answer_unsatisfiable(const json_t *question)
{
    json_t                *answer;
    struct specifier_set   set;

    if (!set_at(question, 1, &set)) {
        return json_null();
    }

    answer = json_boolean(specifier_set_is_unsatisfiable(
        &set, prereleases_at(question, 2)));
    specifier_set_clear(&set);

    return answer;
}


/* of two sets: the intersection, whether it is empty, whether they are one */

static json_t *
answer_both(const json_t *question)
{
    json_t                *answer;
    struct strbuf          text;
    struct specifier_set   a, b, both;

    if (!set_at(question, 1, &a)) {
        return json_null();
    }

    if (!set_at(question, 2, &b)) {
        specifier_set_clear(&a);
        return json_null();
    }

    memset(&text, 0, sizeof(text));
    specifier_set_intersect(&both, &a, &b);
    specifier_set_write(&both, &text);

    answer = json_array();
    json_array_append_new(answer, taken(&text));
    json_array_append_new(answer, json_boolean(
        specifier_set_is_unsatisfiable(&both, prereleases_at(question, 3))));
    json_array_append_new(answer, json_boolean(specifier_set_equals(&a, &b)));

    specifier_set_clear(&a);
    specifier_set_clear(&b);
    specifier_set_clear(&both);

    return answer;
}


/* false: it cannot be written */

static json_t *
marker_text(const struct marker *marker)
{
    struct strbuf  text;

    memset(&text, 0, sizeof(text));

    if (marker_write(marker, &text, NULL) != 0) {
        strbuf_free(&text);
        return json_false();
    }

    return taken(&text);
}


static json_t *
answer_marker(const json_t *question)
{
    json_t         *answer;
    const char     *text;
    struct marker   marker;

    text = text_at(question, 1);
    answer = marker_parse(&marker, text, text + strlen(text), NULL) == 0
             ? marker_text(&marker) : json_null();
    marker_clear(&marker);

    return answer;
}


static void
read_environment(json_t *object, struct marker_environment *out)
{
    size_t             i;
    json_t            *value;
    const char        *name;
    struct text_list   names;

    memset(out, 0, sizeof(struct marker_environment));

    json_object_foreach(object, name, value) {
        if (json_is_string(value)) {
            marker_environment_set(out, name, json_string_value(value));
            continue;
        }

        memset(&names, 0, sizeof(names));

        for (i = 0; i < json_array_size(value); i++) {
            text_list_add(&names, text_at(value, i));
        }

        marker_environment_set_names(out, name, &names);
        text_list_clear(&names);
    }
}


/* true, false, or the error's word */

static json_t *
answer_evaluate(const json_t *question)
{
    int                         rc;
    bool                        result;
    json_t                     *answer;
    const char                 *text;
    struct marker               marker;
    struct marker_environment   environment;

    text = text_at(question, 1);
    result = false;

    if (marker_parse(&marker, text, text + strlen(text), NULL) != 0) {
        marker_clear(&marker);
        return json_null();
    }

    read_environment(json_array_get(question, 2), &environment);
    rc = marker_evaluate(&marker, &environment, &result, NULL);
    answer = rc == 0 ? json_boolean(result)
                     : json_string(error_code_name(rc));

    marker_clear(&marker);
    marker_environment_clear(&environment);

    return answer;
}


static int
compare_strings(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}


static json_t *
answer_requirement(const json_t *question)
{
    size_t               i;
    json_t              *answer, *extras;
    struct strbuf        versions;
    struct requirement   requirement;

    if (requirement_parse(&requirement, text_at(question, 1), NULL) != 0) {
        requirement_clear(&requirement);
        return json_null();
    }

    memset(&versions, 0, sizeof(versions));
    specifier_set_write(&requirement.specifiers, &versions);
    extras = json_array();

    if (requirement.extras.count > 0) {
        qsort(requirement.extras.item, requirement.extras.count,
              sizeof(char *), compare_strings);
    }

    for (i = 0; i < requirement.extras.count; i++) {
        if (i == 0 || strcmp(requirement.extras.item[i],
                             requirement.extras.item[i - 1]) != 0)
        {
            json_array_append_new(extras,
                                  json_string(requirement.extras.item[i]));
        }
    }

    answer = json_array();
    json_array_append_new(answer, json_string(requirement.name));
    json_array_append_new(answer, extras);
    json_array_append_new(answer, taken(&versions));
    json_array_append_new(answer, requirement.url != NULL
                          ? json_string(requirement.url) : json_null());
    json_array_append_new(answer, requirement.has_marker
                          ? marker_text(&requirement.marker) : json_null());
    requirement_clear(&requirement);

    return answer;
}


static json_t *
answer_name(const json_t *question)
{
    char    *name;
    json_t  *answer;

    name = names_normalise(text_at(question, 1));
    answer = json_array();
    json_array_append_new(answer, json_string(name));
    json_array_append_new(answer, json_boolean(
        names_distribution_is_valid(text_at(question, 1))));
    free(name);

    return answer;
}


static const struct {
    const char  *name;
    answer_fn    answer;
} answers[] = {
    { "version", answer_version },
    { "compare", answer_compare },
    { "specifier", answer_specifier },
    { "set", answer_set },
    { "has", answer_has },
    { "filter", answer_filter },
    { "unsatisfiable", answer_unsatisfiable },
    { "both", answer_both },
    { "marker", answer_marker },
    { "evaluate", answer_evaluate },
    { "requirement", answer_requirement },
    { "name", answer_name }
};


static void
answer_line(const char *line)
{
    char    *text;
    size_t   i;
    json_t  *question, *answer;

    question = json_loads(line, 0, NULL);
    answer = NULL;

    for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        if (strcmp(text_at(question, 0), answers[i].name) == 0) {
            answer = answers[i].answer(question);
        }
    }

    text = answer != NULL ? json_dumps(answer, JSON_COMPACT | JSON_ENCODE_ANY)
                          : mem_strdup("\"not understood\"");
    puts(text);
    free(text);
    json_decref(answer);
    json_decref(question);
}


int
main(void)
{
    char    *line;
    size_t   size;

    line = NULL;
    size = 0;

    while (getline(&line, &size, stdin) > 0) {
        answer_line(line);
    }

    free(line);

    return 0;
}
