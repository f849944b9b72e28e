/* SPDX-License-Identifier: MIT */
/*
 * The store: experiments, design data, settings.
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "fixture.h"


#define THREADS  4
#define ROUNDS   25


struct rows {
    char     names[256];
    int64_t  total;
};


static char *
dup(const char *text)
{
    char  *copy;

    copy = text == NULL ? NULL : strdup(text);
    ck_assert(text == NULL || copy != NULL);

    return copy;
}


static int
make(const char *name, const char *type, const char *notes, int64_t creator,
    int64_t parent, int64_t *id_out)
{
    int                       rc;
    struct error              err;
    struct store_experiment   e;

    memset(&e, 0, sizeof(e));
    e.name = dup(name);
    e.experiment_type = dup(type);
    e.status = dup("planned");
    e.notes = dup(notes);
    e.tags = dup("{\"a\":1.0}");
    e.created_by = creator;
    e.parent_experiment_id = parent;
    rc = store_experiment_create(fixture_store, &e, &err);
    *id_out = e.id;
    store_experiment_clear(&e);

    return rc;
}


static void
see_name(void *cls, const struct store_experiment *e)
{
    struct rows  *rows;

    rows = cls;
    (void) strcat(rows->names, e->name);
    (void) strcat(rows->names, " ");
}


static const char *
list(const struct store_experiment_filter *filter, int64_t total)
{
    struct error        err;
    static struct rows  rows;

    memset(&rows, 0, sizeof(rows));
    ck_assert_msg(store_experiments(fixture_store, filter, see_name, &rows,
                                    &rows.total, &err) == 0, "%s", err.text);
    ck_assert_int_eq(rows.total, total);

    return rows.names;
}


START_TEST(test_list)
{
    int64_t                         id;
    int64_t                         user;
    static const char *const        types[] = { "lcms", "nmr" };
    struct store_experiment_filter  f;

    user = fixture_user("bob");
    ck_assert_int_eq(make("c", "lcms", "Some 100%_Note", user, 0, &id), 0);
    ck_assert_int_eq(make("a", "gcms", NULL, 0, id, &id), 0);
    ck_assert_int_eq(make("B", "lcms", NULL, user, 0, &id), 0);

    memset(&f, 0, sizeof(f));
    f.limit = 10;
    ck_assert_str_eq(list(&f, 3), "c a B ");
    f.is_descending = true;
    ck_assert_str_eq(list(&f, 3), "B a c ");
    f.is_descending = false;
    f.sort_by = "name";
    ck_assert_str_eq(list(&f, 3), "B a c ");
    f.sort_by = "experiment_type";
    ck_assert_str_eq(list(&f, 3), "a c B ");
    f.sort_by = "id; DROP TABLE users";
    ck_assert_str_eq(list(&f, 3), "c a B ");
    f.sort_by = NULL;

    f.skip = 1;
    f.limit = 1;
    ck_assert_str_eq(list(&f, 3), "a ");
    f.skip = 5;
    ck_assert_str_eq(list(&f, 3), "");
    f.skip = 0;
    f.limit = 10;

    f.experiment_type = "lcms";
    ck_assert_str_eq(list(&f, 2), "c B ");
    f.created_by = user;
    f.search = "100%_n";
    ck_assert_str_eq(list(&f, 1), "c ");
    f.search = "%";
    f.experiment_type = NULL;
    ck_assert_str_eq(list(&f, 1), "c ");
    f.search = NULL;
    f.created_by = 0;
    f.parent_experiment_id = 1;
    ck_assert_str_eq(list(&f, 1), "a ");
    f.parent_experiment_id = 0;

    f.has_types = true;
    f.types = types;
    f.types_count = 2;
    ck_assert_str_eq(list(&f, 2), "c B ");
    f.experiment_type = "gcms";
    ck_assert_str_eq(list(&f, 0), "");
    f.experiment_type = NULL;
    f.types_count = 0;
    ck_assert_str_eq(list(&f, 0), "");
    f.has_types = false;

    f.created_before_ms = 1;
    ck_assert_str_eq(list(&f, 0), "");
    f.created_before_ms = 0;
    f.created_after_ms = 1;
    ck_assert_str_eq(list(&f, 3), "c a B ");
}
END_TEST


START_TEST(test_experiment)
{
    int64_t                   id;
    int64_t                   child;
    struct error              err;
    struct store_experiment   e;
    struct store_experiment   change;

    ck_assert_int_eq(make("a", "t", NULL, 0, 77, &id), MINT_ERR_INVALID);
    ck_assert_int_eq(make("a", "t", NULL, 77, 0, &id), MINT_ERR_INVALID);
    ck_assert_int_eq(make("a", "t", NULL, 0, 0, &id), 0);
    ck_assert_int_eq(make("b", "t", NULL, 0, id, &child), 0);

    memset(&change, 0, sizeof(change));
    change.notes = dup("new");
    ck_assert_int_eq(store_experiment_update(fixture_store, id, &change,
                                             &err), 0);
    ck_assert_int_eq(store_experiment_update(fixture_store, 99, &change,
                                             &err), MINT_ERR_NOT_FOUND);
    change.parent_experiment_id = child;
    ck_assert_int_eq(store_experiment_update(fixture_store, id, &change,
                                             &err), MINT_ERR_INVALID);
    ck_assert_str_eq(err.text, "parent_experiment_id");
    change.parent_experiment_id = id;
    ck_assert_int_eq(store_experiment_update(fixture_store, id, &change,
                                             &err), MINT_ERR_INVALID);
    store_experiment_clear(&change);

    ck_assert_int_eq(store_experiment_get(fixture_store, id, &e, &err), 0);
    ck_assert_str_eq(e.name, "a");
    ck_assert_str_eq(e.notes, "new");
    ck_assert_str_eq(e.tags, "{\"a\":1.0}");
    ck_assert_ptr_null(e.design_owner_plugin_id);
    ck_assert_uint_ge(e.updated_ms, e.created_ms);
    store_experiment_clear(&e);

    ck_assert_int_eq(store_experiment_delete(fixture_store, id, &err), 0);
    ck_assert_int_eq(store_experiment_delete(fixture_store, id, &err),
                     MINT_ERR_NOT_FOUND);
    ck_assert_int_eq(store_experiment_get(fixture_store, child, &e, &err), 0);
    ck_assert_int_eq(e.parent_experiment_id, 0);
    store_experiment_clear(&e);
}
END_TEST


START_TEST(test_design)
{
    char                 *owner;
    int64_t               id;
    struct error          err;
    struct store_design   design;
    struct store_design   found;

    ck_assert_int_eq(make("a", "t", NULL, 0, 0, &id), 0);
    memset(&design, 0, sizeof(design));
    design.experiment_id = id;
    design.plugin_id = dup("one");
    design.data = dup("{\"x\":1.50}");
    design.schema_version = dup("2.0");

    ck_assert_int_eq(store_design_get(fixture_store, id, &found, &err),
                     MINT_ERR_NOT_FOUND);
    ck_assert_int_eq(store_design_put(fixture_store, &design, &owner, &err),
                     0);
    ck_assert_ptr_null(owner);
    ck_assert_int_eq(store_design_put(fixture_store, &design, &owner, &err),
                     0);
    ck_assert_str_eq(owner, "one");
    free(owner);
    ck_assert_int_eq(store_design_get(fixture_store, id, &found, &err), 0);
    ck_assert_str_eq(found.data, "{\"x\":1.50}");
    store_design_clear(&found);

    design.plugin_id[0] = 'X';
    ck_assert_int_eq(store_design_put(fixture_store, &design, &owner, &err),
                     MINT_ERR_CONFLICT);
    ck_assert_str_eq(owner, "one");
    free(owner);
    design.experiment_id = 99;
    ck_assert_int_eq(store_design_put(fixture_store, &design, &owner, &err),
                     MINT_ERR_NOT_FOUND);
    store_design_clear(&design);

    ck_assert_int_eq(store_design_delete(fixture_store, id, "two", &owner,
                                         &err), MINT_ERR_CONFLICT);
    free(owner);
    ck_assert_int_eq(store_design_delete(fixture_store, id, "one", &owner,
                                         &err), 0);
    free(owner);
    ck_assert_int_eq(store_design_delete(fixture_store, id, "one", &owner,
                                         &err), MINT_ERR_NOT_FOUND);
    free(owner);
}
END_TEST


/* ---- settings ------------------------------------------------------- */

struct counter {
    long  value;
    int   answer;
};


static void
see_setting(void *cls, const char *key, const char *value)
{
    struct counter  *counter;

    counter = cls;

    if (strcmp(key, "n") == 0) {
        counter->value = strtol(value, NULL, 10);
    }
}


static int
decide(void *cls, struct store_settings_change *change, struct error *err)
{
    int              rc;
    char             text[32];
    struct counter  *counter;

    counter = cls;
    (void) snprintf(text, sizeof(text), "%ld", counter->value + 1);
    rc = store_settings_write(change, "n", text, err);

    return rc != 0 ? rc
                   : counter->answer == 0
                     ? 0 : error_set(err, counter->answer, "as asked");
}


static int
count_up(int answer)
{
    struct error                   err;
    struct counter                 counter;
    struct store_settings_change   change;

    memset(&counter, 0, sizeof(counter));
    memset(&change, 0, sizeof(change));
    counter.answer = answer;
    change.each = see_setting;
    change.decide = decide;
    change.cls = &counter;

    return store_settings_change(fixture_store, "p", &change, &err);
}


static void *
count_many(void *cls)
{
    int   i;
    int  *failures;

    failures = cls;

    for (i = 0; i < ROUNDS; i++) {
        *failures += count_up(0) != 0;
    }

    return NULL;
}


static long
counted(const char *plugin)
{
    struct error    err;
    struct counter  counter;

    memset(&counter, 0, sizeof(counter));
    ck_assert_int_eq(store_settings(fixture_store, plugin, see_setting,
                                    &counter, &err), 0);

    return counter.value;
}


START_TEST(test_settings)
{
    ck_assert_int_eq(counted("p"), 0);
    ck_assert_int_eq(count_up(0), 0);
    ck_assert_int_eq(counted("p"), 1);
    ck_assert_int_eq(counted("q"), 0);
    ck_assert_int_eq(count_up(MINT_ERR_FULL), MINT_ERR_FULL);
    ck_assert_int_eq(counted("p"), 1);
    fixture_reopen();
    ck_assert_int_eq(counted("p"), 1);
}
END_TEST


/* read, decide and write are one transaction */

START_TEST(test_settings_at_a_time)
{
    int        i;
    int        failures[THREADS];
    pthread_t  threads[THREADS];

    memset(failures, 0, sizeof(failures));

    for (i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count_many,
                                        &failures[i]), 0);
    }

    for (i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_int_eq(failures[i], 0);
    }

    ck_assert_int_eq(counted("p"), THREADS * ROUNDS);
}
END_TEST


int
main(void)
{
    int       failed;
    TCase    *tcase;
    Suite    *suite;
    SRunner  *runner;

    suite = suite_create("store data");
    tcase = tcase_create("store data");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, fixture_open, fixture_close);
    tcase_add_test(tcase, test_list);
    tcase_add_test(tcase, test_experiment);
    tcase_add_test(tcase, test_design);
    tcase_add_test(tcase, test_settings);
    tcase_add_test(tcase, test_settings_at_a_time);
    suite_add_tcase(suite, tcase);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);

    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
