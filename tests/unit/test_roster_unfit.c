/* Who was not fit when somebody was chosen, for who asks why. */
#include <stdio.h>

#include "tests/harness/test.h"
#include "userspace/upstream/roster.h"

enum { NOW_MS = 1000000 };

/* Like "1d 2f": places, and down, ejected, full or (of service) out; "any", "more". */
static void print(const struct roster_unfit *unfit, char out[64])
{
	static const char letters[UNFIT_CAUSES] = { [UNFIT_UNWANTED] = 'o',
						    [UNFIT_DOWN] = 'd',
						    [UNFIT_EJECTED] = 'e',
						    [UNFIT_FULL] = 'f' };
	int at = 0;

	out[0] = '\0';
	for (uint32_t i = 0; i < unfit->count; i++)
		at += snprintf(out + at, 64 - (size_t)at, "%s%u%c", at ? " " : "", unfit->places[i],
			       letters[unfit->causes[i]]);
	snprintf(out + at, 64 - (size_t)at, "%s%s", unfit->any ? " any" : "",
		 unfit->more ? " more" : "");
}

#define E(n, more) "{ address: \"10.0.0." #n ":80\"" more " }"

TEST(who_was_not_fit_is_noted_with_the_first_cause)
{
	static const struct {
		const char *name, *keys, *endpoints, *down, *busy, *bad; /* places */
		int kept;
		const char *want;
	} rows[] = {
		{ "all are fit", "", E(1, "") "," E(2, ""), "", "", "", -1, "" },
		{ "down", "", E(1, "") "," E(2, ""), "0", "", "", -1, "0d" },
		{ "ejected", "eject: { failures: 1 },", E(1, "") "," E(2, ""), "", "", "1", -1,
		  "1e" },
		{ "down comes before", "eject: { failures: 1 },", E(1, "") "," E(2, ""), "1", "",
		  "1", -1, "1d" },
		{ "full", "", E(1, ", max_requests: 1") "," E(2, ""), "", "0", "", -1, "0f" },
		{ "no weight", "", E(1, ", weight: 0") "," E(2, ""), "", "", "", -1, "0o" },
		{ "nobody looks at backups", "", E(1, "") "," E(2, ", priority: 1"), "1", "", "",
		  -1, "" },
		{ "unless they are asked", "",
		  E(1, "") "," E(2, ", priority: 1") "," E(3, ", priority: 1"), "01", "", "", -1,
		  "0d 1d" },
		{ "too few for panic", "panic: 60,", E(1, "") "," E(2, ""), "0", "", "", -1,
		  "0d any" },
		{ "all", "", E(1, "") "," E(2, ""), "01", "", "", -1, "0d 1d any" },
		{ "all, closed", "fail: closed,", E(1, "") "," E(2, ""), "01", "", "", -1,
		  "0d 1d" },
		{ "whom a cookie names first", "", E(1, "") "," E(2, "") "," E(3, ""), "02", "", "",
		  2, "2d 0d" },
		{ "no more than there is room for", "",
		  E(1, "") "," E(2, "") "," E(3, "") "," E(4, "") "," E(5, "") "," E(6, ""),
		  "01234", "", "", -1, "0d 1d 2d 3d more" },
	};

	FOR_ROWS (row, rows) {
		struct findings findings = { 0 };
		char text[1024], got[64];
		int len =
			snprintf(text, sizeof(text), "upstreams: { a: { %s endpoints: [ %s ] } }\n",
				 row->keys, row->endpoints);
		struct model *model = model_load_text("f", text, (size_t)len, &findings);
		struct snapshot *snapshot = model ? snapshot_create(model, 1) : NULL;
		struct rosters *all = rosters_create();
		struct roster_unfit unfit = { .count = 9, .more = true, .any = true };
		struct roster_ask ask = { .now_ms = NOW_MS,
					  .keeps = row->kept >= 0,
					  .kept = (uint32_t)row->kept,
					  .unfit = &unfit };
		struct roster *r;
		uint32_t place;

		if (!snapshot)
			test_fail(__FILE__, __LINE__, "%s", findings.list[0].text);
		rosters_renew(all, snapshot, 0);
		r = roster_take(all, snapshot, &snapshot->model->upstreams[0], 0);
		for (const char *at = row->down; *at; at++)
			atomic_store(&snapshot->down[*at - '0'], true);
		for (const char *at = row->busy; *at; at++)
			roster_enter(r, (uint32_t)(*at - '0'));
		for (const char *at = row->bad; *at; at++)
			roster_failed(r, (uint32_t)(*at - '0'), NOW_MS - 1, NOW_MS - 1);
		roster_pick(r, &ask, &place);
		print(&unfit, got);
		if (strcmp(got, row->want) != 0)
			test_fail(__FILE__, __LINE__, "%s: got \"%s\", want \"%s\"", row->name, got,
				  row->want);
		for (const char *at = row->busy; *at; at++)
			roster_leave(r, (uint32_t)(*at - '0'));
		roster_give(all, r);
		rosters_destroy(all);
		snapshot_unref(snapshot);
	}
}
