/* What an exchange may cost at most, as it is written down. */
#include <stdio.h>

#include "tests/harness/test.h"
#include "userspace/model/model.h"

#define ROUTE(keys)                                                                                \
	"upstreams: { a: { endpoints: [] } }\n"                                                    \
	"routes: { r: [ { name: x, upstream: a,\n  " keys " } ] }\n"

static struct model *load(const char *text, struct findings *findings)
{
	*findings = (struct findings){ 0 };
	return model_load_text("f", text, strlen(text), findings);
}

static void check_refused(const char *text, const char *found)
{
	struct findings findings;
	struct model *model = load(text, &findings);

	CHECK(model == NULL);
	CHECK_STR(findings.list[0].text, found);
}

static struct route_timeouts timeouts_of(const char *text)
{
	struct findings findings;
	struct model *model = load(text, &findings);
	struct route_timeouts got;

	CHECK_STR(findings.list[0].text, "");
	got = *model->tables[0].routes[0].timeouts;
	model_destroy(model);
	return got;
}

TEST(a_route_says_how_long_what_may_last)
{
	struct route_timeouts got = timeouts_of(
		ROUTE("timeouts: { connect: 1s, head: 2s, idle: 3s, request: 4s, total: 5s }"));

	CHECK_INT(got.connect_ms, 1000);
	CHECK_INT(got.head_ms, 2000);
	CHECK_INT(got.idle_ms, 3000);
	CHECK_INT(got.request_ms, 4000);
	CHECK_INT(got.total_ms, 5000);
	got = timeouts_of(ROUTE("timeout: 7s, timeouts: { idle: 3s }"));
	CHECK_INT(got.head_ms, 7000);
	CHECK_INT(got.idle_ms, 3000);
	CHECK_INT(got.connect_ms, 0);
	CHECK_INT(got.total_ms, 0);
}

TEST(timeouts_that_cannot_be_meant_are_refused)
{
	static const struct {
		const char *name, *text, *found;
	} rows[] = {
		{ "more than any", ROUTE("timeouts: { connect: 61s }"),
		  "f:3:24: expected a time from 1ms to 60000ms for \"connect\", found \"61s\"" },
		{ "none at all", ROUTE("timeouts: { total: 0s }"),
		  "f:3:22: expected a time from 1ms to 86400000ms for \"total\", found \"0s\"" },
		{ "the same twice", ROUTE("timeout: 1s, timeouts: { head: 2s }"),
		  "f:3:26: \"timeout\" says the same as \"head\" of \"timeouts\": expected one of "
		  "them" },
		{ "and the other way round", ROUTE("timeouts: { head: 2s }, timeout: 1s"),
		  "f:3:36: \"timeout\" says the same as \"head\" of \"timeouts\": expected one of "
		  "them" },
		{ "a part longer than all", ROUTE("timeouts: { head: 2s, total: 1s }"),
		  "f:3:13: \"head\" of a route's timeouts is longer than \"total\"" },
	};

	FOR_ROWS (row, rows)
		check_refused(row->text, row->found);
}
