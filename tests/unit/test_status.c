#include <jansson.h>
#include <stdlib.h>

#include "tests/harness/test.h"
#include "userspace/control/status.h"

static long long number_at(const json_t *from, const char *a, const char *b, const char *c)
{
	const json_t *at = json_object_get(from, a);

	at = b ? json_object_get(at, b) : at;
	at = c ? json_object_get(at, c) : at;
	CHECK(json_is_integer(at));
	return json_integer_value(at);
}

TEST(the_status_has_every_number_under_its_name)
{
	struct status status = { .snapshot = 3, .node = "lb-1", .workers = 2, .sessions = 7 };
	json_t *got;
	char *text;

	status.counters[COUNT_SPLICED] = 11;
	status.splices.active = 4;
	status.splices.ports = 7;
	stat_add(&status.stats.exchanges, 5);
	stat_add(&status.stats.splice[SPLICE_REASON_ECN], 6);
	stat_add(&status.stats.splice[SPLICE_REASON_DONE], 8);
	text = status_print(&status);
	got = json_loads(text, 0, NULL);
	free(text);
	CHECK(got != NULL);
	CHECK_INT(number_at(got, "snapshot", NULL, NULL), 3);
	CHECK_STR(json_string_value(json_object_get(got, "node")), "lb-1");
	CHECK_INT(number_at(got, "workers", NULL, NULL), 2);
	CHECK_INT(number_at(got, "sessions", NULL, NULL), 7);
	CHECK_INT(number_at(got, "counters", "SPLICED", NULL), 11);
	CHECK_INT(number_at(got, "counters", "NOT_OURS", NULL), 0);
	CHECK_INT(json_object_size(json_object_get(got, "counters")), COUNTERS);
	CHECK_INT(number_at(got, "stats", "exchanges", NULL), 5);
	CHECK_INT(number_at(got, "splices", "active", NULL), 4);
	CHECK_INT(number_at(got, "splices", "ports", NULL), 7);
	CHECK_INT(number_at(got, "splices", "begun", NULL), 8);
	CHECK_INT(number_at(got, "splices", "refused", "ecn"), 6);
	CHECK(json_object_get(json_object_get(json_object_get(got, "splices"), "refused"),
			      "done") == NULL);
	json_decref(got);
}

TEST(the_stats_of_workers_add_up)
{
	struct stats sum = { 0 }, part = { 0 };

	stat_add(&part.sessions_shed, 2);
	stat_add(&part.splice[SPLICE_REASON_MSS], 3);
	status_add_stats(&sum, &part);
	status_add_stats(&sum, &part);
	CHECK_INT(sum.sessions_shed, 4);
	CHECK_INT(sum.splice[SPLICE_REASON_MSS], 6);
	CHECK_INT(sum.exchanges, 0);
}
