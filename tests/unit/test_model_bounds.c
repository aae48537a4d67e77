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
	got = *model->tables[0].routes[0].conduct->timeouts;
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
		  "f:3:13: \"head\" of a route's timeouts is longer than \"total\", which is "
		  "1000 ms: it would never be over" },
	};

	FOR_ROWS (row, rows)
		check_refused(row->text, row->found);
}

#define UPSTREAM(keys, endpoint)                                                                   \
	"upstreams: { a: { endpoints: [ { address: \"10.0.0.1:80\"" endpoint " } ],\n  " keys      \
	" } }\n"

TEST(drains_and_rates_of_splices_are_as_written_and_else_refused)
{
	static const struct {
		const char *name, *text, *found;
	} rows[] = {
		{ "neither word nor time", UPSTREAM("drain: forever", ""),
		  "f:2:10: expected wait, or a time such as 30s, for \"drain\", found "
		  "\"forever\"" },
		{ "longer than a day", UPSTREAM("drain: 25h", ""),
		  "f:2:10: expected a time from 0ms to 86400000ms for \"drain\", found \"25h\"" },
		{ "a list", UPSTREAM("drain: [ 1s ]", ""),
		  "f:2:10: expected wait, or a time such as 30s, for \"drain\", found a list" },
		{ "less than a segment or two", ROUTE("splice_rate: 4095"),
		  "f:3:16: expected a size such as 64kB, 512MB or 2GB, from 4096 to 137438953472 "
		  "bytes, for \"splice_rate\", found \"4095\"" },
		{ "more than any device", ROUTE("splice_rate_per_source: 129GB"),
		  "f:3:27: expected a size such as 64kB, 512MB or 2GB, from 4096 to 137438953472 "
		  "bytes, for \"splice_rate_per_source\", found \"129GB\"" },
	};
	static const struct {
		const char *text;
		uint32_t drain_ms;
	} good[] = {
		{ UPSTREAM("connect_timeout: 1s", ""), 0 },
		{ UPSTREAM("drain: wait", ""), 0 },
		{ UPSTREAM("drain: 0s", ""), 1 }, /* at once */
		{ UPSTREAM("drain: 90s", ""), 90000 },
	};

	FOR_ROWS (row, rows)
		check_refused(row->text, row->found);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct findings findings;
		struct model *m = load(good[i].text, &findings);

		CHECK(m);
		CHECK_INT(m->upstreams[0].drain_ms, good[i].drain_ms);
		model_destroy(m);
	}
}

TEST(a_line_is_as_written_and_else_refused)
{
	static const struct {
		const char *name, *text, *found;
	} rows[] = {
		{ "without its size", UPSTREAM("queue: { timeout: 1s }", ", max_requests: 1"),
		  "f:2:10: expected the key \"size\" here, found none" },
		{ "longer than any", UPSTREAM("queue: { size: 65537 }", ", max_requests: 1"),
		  "f:2:18: expected a number from 1 to 65536 for \"size\", found \"65537\"" },
		{ "for too long", UPSTREAM("queue: { size: 1, timeout: 61s }", ", max_requests: 1"),
		  "f:2:30: expected a time from 1ms to 60000ms for \"timeout\", found \"61s\"" },
		{ "a word for who finishes",
		  UPSTREAM("queue: { size: 1, half_closed: stays }", ", max_requests: 1"),
		  "f:2:34: expected one of waits, leaves for \"half_closed\", found \"stays\"" },
		{ "nobody waits", UPSTREAM("queue: { size: 1 }", ""),
		  "f:2:10: nobody ever waits in \"queue\": no endpoint has \"max_requests\" or "
		  "\"max_connections\"; give them one, or remove \"queue\"" },
		{ "a hash that nobody asks for", UPSTREAM("hash_on: path", ""),
		  "f:2:12: \"hash_on\" is of use only with \"balance: maglev\", or within "
		  "\"persistence\"" },
		{ "none may be open", UPSTREAM("queue: { size: 1 }", ", max_connections: 0"),
		  "f:1:75: expected a number from 1 to 1000000 for \"max_connections\", found "
		  "\"0\"" },
	};
	struct findings findings;
	struct model *model =
		load(UPSTREAM("queue: { size: 9 }", ", max_connections: 3"), &findings);

	CHECK_STR(findings.list[0].text, "");
	CHECK_INT(model->upstreams[0].queue.size, 9);
	CHECK_INT(model->upstreams[0].queue.timeout_ms, 1000);
	CHECK_INT(model->upstreams[0].endpoints[0].max_connections, 3);
	model_destroy(model);
	FOR_ROWS (row, rows)
		check_refused(row->text, row->found);
}

TEST(breakers_and_ejections_need_a_reason)
{
	static const struct {
		const char *name, *text, *found;
	} rows[] = {
		{ "no reason to eject", UPSTREAM("eject: { time: 1s }", ""),
		  "f:2:10: expected one of failures, rate, slow in \"eject\", found none" },
		{ "more than all", UPSTREAM("eject: { rate: 101 }", ""),
		  "f:2:18: expected a number from 1 to 100 for \"rate\", found \"101\"" },
		{ "slower than itself", UPSTREAM("eject: { slow: 1 }", ""),
		  "f:2:18: expected a number from 2 to 100 for \"slow\", found \"1\"" },
		{ "no reason to open", UPSTREAM("breaker: { time: 1s }", ""),
		  "f:2:12: expected one of active, pending, failed in \"breaker\", found none" },
		{ "nothing at all", UPSTREAM("breaker: { active: 0 }", ""),
		  "f:2:22: expected a number from 1 to 1000000 for \"active\", found \"0\"" },
		{ "for too short a time", UPSTREAM("breaker: { failed: 50, time: 1ms }", ""),
		  "f:2:32: expected a time from 100ms to 3600000ms for \"time\", found \"1ms\"" },
	};
	struct findings findings;
	struct model *model =
		load(UPSTREAM("breaker: { failed: 60 }, eject: { slow: 4 }", ""), &findings);

	CHECK_STR(findings.list[0].text, "");
	CHECK_INT(model->upstreams[0].breaker.failed_percent, 60);
	CHECK_INT(model->upstreams[0].breaker.trials, 3);
	CHECK_INT(model->upstreams[0].eject.slow, 4);
	CHECK_INT(model->upstreams[0].eject.failures, 0);
	CHECK_INT(model->upstreams[0].eject.window_ms, 10000);
	model_destroy(model);
	FOR_ROWS (row, rows)
		check_refused(row->text, row->found);
}

#define NODE     "node: { zone: x }\n"
#define BACK(of) "{ endpoints: [], failover: " of " }"

TEST(who_stands_in_for_whom_comes_to_an_end)
{
	static const struct {
		const char *name, *text, *found;
	} rows[] = {
		{ "nobody of that name", "upstreams: { a: " BACK("b") " }",
		  "f:1:44: there is no upstream \"b\"; did you mean \"a\"?" },
		{ "itself", "upstreams: { a: " BACK("a") " }",
		  "f:1:44: \"failover\" of upstream \"a\" leads back to it; the last one has "
		  "none" },
		{ "in a circle", "upstreams: { a: " BACK("b") ", b: " BACK("a") " }",
		  "f:1:44: \"failover\" of upstream \"a\" leads back to it; the last one has "
		  "none" },
		{ "too many",
		  "upstreams: { a: " BACK("b") ", b: " BACK("c") ", c: " BACK("d") ", d: " BACK(
			  "e") ", e: " BACK("f") ", f: { endpoints: [] } }",
		  "f:1:44: more than 4 upstreams stand in for one another here" },
		{ "no zone of its own", UPSTREAM("zones: own_first", ""),
		  "f:2:10: \"zones: own_first\" needs \"zone\" of \"node\": which one is its own" },
		{ "stretched for nothing", UPSTREAM("overprovision: 200", ""),
		  "f:2:18: \"overprovision\" is of use only with \"zones: own_first\"" },
		{ "less than its share", NODE UPSTREAM("zones: own_first, overprovision: 99", ""),
		  "f:3:36: expected a number from 100 to 1000 for \"overprovision\", found "
		  "\"99\"" },
	};
	struct findings findings;
	struct model *model =
		load("upstreams: { a: " BACK("b") ", b: { endpoints: [] } }", &findings);

	CHECK_STR(findings.list[0].text, "");
	CHECK(model->upstreams[0].failover == &model->upstreams[1]);
	CHECK_INT(model->upstreams[0].overprovision, 140);
	model_destroy(model);
	FOR_ROWS (row, rows)
		check_refused(row->text, row->found);
}
