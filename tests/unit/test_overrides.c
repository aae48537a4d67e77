/* What operators want of endpoints: taken, applied, ended, kept and read back. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/harness/test.h"
#include "userspace/control/overrides.h"

static const struct overrides_by by = { .uid = 7, .pid = 42, .now_s = 1000 };

static struct model *load(void)
{
	static const char text[] =
		"vpcs: { a: { vni: 1, source: 10.9.0.1 }, b: { vni: 2, source: 10.9.0.2 } }\n"
		"upstreams:\n"
		"  x: { endpoints: [ { address: \"10.0.0.1:80\", weight: 2 }, { address: "
		"\"10.0.0.2:80\" } ] }\n"
		"  y: { endpoints: [\n"
		"    { address: \"10.0.0.1:80\", vpc: a, host: 192.0.2.1, mac: "
		"\"02:00:00:00:00:04\" },\n"
		"    { address: \"10.0.0.1:80\", vpc: b, host: 192.0.2.1, mac: "
		"\"02:00:00:00:00:04\" } ] }\n";
	struct findings findings = { 0 };
	struct model *model = model_load_text("f", text, sizeof(text) - 1, &findings);

	if (!model)
		test_fail(__FILE__, __LINE__, "%s", findings.list[0].text);
	return model;
}

/* wish: JSON with ' for ". */
static bool change(struct overrides *all, const struct model *model, const char *wish, char *said,
		   struct err *err)
{
	char text[512];
	json_t *json;
	bool done;

	snprintf(text, sizeof(text), "%s", wish);
	for (char *c = text; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	json = json_loads(text, 0, NULL);
	done = overrides_change(all, model, json, &by, said, err);
	json_decref(json);
	return done;
}

/* "2 1 1 1", with "d" behind who drains, "x" behind who is off, "o" whose time is over besides. */
static const char *orders_of(const struct overrides *all, const struct model *model)
{
	static char text[64];
	struct endpoint_order orders[4];
	size_t used = 0;

	snapshot_orders(model, orders);
	overrides_apply(all, model, orders);
	for (int i = 0; i < 4; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%u%s", i ? " " : "",
					 orders[i].weight,
					 orders[i].over                          ? "o"
					 : orders[i].service == SERVICE_OFF      ? "x"
					 : orders[i].service == SERVICE_DRAINING ? "d"
										 : "");
	return text;
}

TEST(wishes_are_taken_one_after_the_other_and_taken_back)
{
	static const struct {
		const char *name, *wish, *said, *orders;
	} rows[] = {
		{ "a weight", "{'upstream':'x','endpoint':'10.0.0.2:80','set':'weight','weight':5}",
		  "upstream x: endpoint 10.0.0.2:80: weight 5, by uid 7, pid 42", "2 5 1 1" },
		{ "and a drain", "{'upstream':'x','endpoint':'10.0.0.2:80','set':'drain'}",
		  "upstream x: endpoint 10.0.0.2:80: drain, by uid 7, pid 42", "2 5d 1 1" },
		{ "with an end",
		  "{'upstream':'x','endpoint':'10.0.0.2:80','set':'drain','for_s':60}",
		  "upstream x: endpoint 10.0.0.2:80: drain for 60 s, by uid 7, pid 42",
		  "2 5d 1 1" },
		{ "one of a vpc",
		  "{'upstream':'y','endpoint':'10.0.0.1:80','vpc':'b','set':'disable'}",
		  "upstream y: endpoint 10.0.0.1:80@b: disable, by uid 7, pid 42", "2 5d 1 1x" },
		{ "back, but for the weight",
		  "{'upstream':'x','endpoint':'10.0.0.2:80','set':'enable'}",
		  "upstream x: endpoint 10.0.0.2:80: enable, by uid 7, pid 42", "2 5 1 1x" },
		{ "all of it", "{'upstream':'x','endpoint':'10.0.0.2:80','set':'reset'}",
		  "upstream x: endpoint 10.0.0.2:80: reset, by uid 7, pid 42", "2 1 1 1x" },
		{ "twice is well", "{'upstream':'x','endpoint':'10.0.0.2:80','set':'reset'}",
		  "upstream x: endpoint 10.0.0.2:80: reset, by uid 7, pid 42", "2 1 1 1x" },
	};
	struct overrides *all = overrides_create();
	struct model *model = load();
	char said[ERR_TEXT_MAX];
	struct err err;

	FOR_ROWS (row, rows) {
		CHECK(change(all, model, row->wish, said, &err));
		CHECK_STR(said, row->said);
		CHECK_STR(orders_of(all, model), row->orders);
	}
	CHECK_INT(overrides_count(all), 1);
	overrides_undo(all);
	CHECK_INT(overrides_count(all), 1);
	overrides_destroy(all);
	model_destroy(model);
}

TEST(what_cannot_be_done_is_said_and_nothing_has_changed)
{
	static const struct {
		const char *name, *wish, *want;
	} rows[] = {
		{ "nothing", "", "expected upstream, endpoint and what to set" },
		{ "no upstream", "{'upstream':'z','endpoint':'10.0.0.1:80','set':'drain'}",
		  "there is no upstream \"z\"; shuntctl endpoint shows all" },
		{ "no address", "{'upstream':'x','endpoint':'web','set':'drain'}",
		  "\"web\" is no endpoint; it is an address with its port" },
		{ "another port", "{'upstream':'x','endpoint':'10.0.0.1:81','set':'drain'}",
		  "upstream x has no endpoint 10.0.0.1:81; it has 10.0.0.1:80, 10.0.0.2:80" },
		{ "in which vpc?", "{'upstream':'y','endpoint':'10.0.0.1:80','set':'drain'}",
		  "10.0.0.1:80 is there in several vpcs; say 10.0.0.1:80@VPC" },
		{ "not in that one",
		  "{'upstream':'y','endpoint':'10.0.0.1:80','vpc':'c','set':'drain'}",
		  "upstream y has no endpoint 10.0.0.1:80@c; it has 10.0.0.1:80@a, 10.0.0.1:80@b" },
		{ "too heavy",
		  "{'upstream':'x','endpoint':'10.0.0.1:80','set':'weight','weight':1001}",
		  "a weight is a number from 0 to 1000" },
		{ "no number",
		  "{'upstream':'x','endpoint':'10.0.0.1:80','set':'weight','weight':'5'}",
		  "a weight is a number from 0 to 1000" },
		{ "for ever",
		  "{'upstream':'x','endpoint':'10.0.0.1:80','set':'drain','for_s':2592001}",
		  "an endpoint drains for at most 30 days" },
		{ "what?", "{'upstream':'x','endpoint':'10.0.0.1:80','set':'stop'}",
		  "expected weight, drain, disable, enable or reset, found \"stop\"" },
	};
	struct overrides *all = overrides_create();
	struct model *model = load();
	char said[ERR_TEXT_MAX] = "untouched";
	struct err err;

	FOR_ROWS (row, rows) {
		CHECK(!change(all, model, row->wish, said, &err));
		CHECK_STR(err.text, row->want);
		CHECK_STR(said, "untouched");
		CHECK_INT(overrides_count(all), 0);
	}
	overrides_destroy(all);
	model_destroy(model);
}

TEST(draining_ends_in_its_time_and_who_is_undone_was_never_asked)
{
	struct overrides *all = overrides_create();
	struct model *model = load();
	char said[ERR_TEXT_MAX];
	struct err err;

	CHECK(change(all, model, "{'upstream':'x','endpoint':'10.0.0.1:80','set':'drain'}", said,
		     &err));
	CHECK_INT(overrides_next_s(all), 0);
	CHECK(change(all, model,
		     "{'upstream':'x','endpoint':'10.0.0.2:80','set':'drain','for_s':60}", said,
		     &err));
	CHECK_INT(overrides_next_s(all), 1060);
	CHECK(!overrides_expire(all, 1059));
	CHECK_STR(orders_of(all, model), "2d 1d 1 1");
	CHECK(overrides_expire(all, 1060));
	CHECK_STR(orders_of(all, model), "2d 1o 1 1");
	CHECK_INT(overrides_next_s(all), 0);
	CHECK(!overrides_expire(all, 2000));
	CHECK(change(all, model, "{'upstream':'x','endpoint':'10.0.0.1:80','set':'reset'}", said,
		     &err));
	CHECK_STR(orders_of(all, model), "2 1o 1 1");
	overrides_undo(all);
	CHECK_STR(orders_of(all, model), "2d 1o 1 1");
	CHECK(change(all, model, "{'upstream':'x','endpoint':'10.0.0.2:80','set':'disable'}", said,
		     &err));
	CHECK_STR(orders_of(all, model), "2d 1x 1 1"); /* what runs may go on */
	overrides_destroy(all);
	model_destroy(model);
}

TEST(what_is_kept_is_read_back_and_what_is_odd_is_left_out)
{
	static const struct {
		const char *name, *text;
		uint32_t count;
	} rows[] = {
		{ "no list", "{}", 0 },
		{ "no address",
		  "[{'upstream':'x','endpoint':'web','vpc':null,'weight':1,'service':'on',"
		  "'until':null,'since':1,'uid':0,'pid':1}]",
		  0 },
		{ "nothing wanted",
		  "[{'upstream':'x','endpoint':'10.0.0.1:80','vpc':null,'weight':null,'service':"
		  "'on','until':null,'since':1,'uid':0,'pid':1}]",
		  0 },
		{ "no such word",
		  "[{'upstream':'x','endpoint':'10.0.0.1:80','vpc':null,'weight':1,'service':"
		  "'gone','until':null,'since':1,'uid':0,'pid':1}]",
		  0 },
		{ "one good, one that is there twice",
		  "[{'upstream':'x','endpoint':'10.0.0.1:80','weight':1,'service':'on','uid':0,'"
		  "pid'"
		  ":1},{'upstream':'x','endpoint':'10.0.0.1:80','weight':2,'service':'on','uid':0,"
		  "'pid':1}]",
		  1 },
	};
	struct overrides *all = overrides_create(), *other = overrides_create();
	struct model *model = load();
	char said[ERR_TEXT_MAX];
	struct err err;
	json_t *list;

	CHECK(change(all, model,
		     "{'upstream':'x','endpoint':'10.0.0.2:80','set':'drain','for_s':60}", said,
		     &err));
	CHECK(change(all, model,
		     "{'upstream':'x','endpoint':'10.0.0.2:80','set':'weight','weight':9}", said,
		     &err));
	CHECK(change(all, model,
		     "{'upstream':'y','endpoint':'10.0.0.1:80','vpc':'a','set':'disable'}", said,
		     &err));
	list = overrides_list(all);
	CHECK(overrides_read(other, list));
	CHECK_STR(orders_of(other, model), "2 9d 1x 1");
	CHECK_INT(overrides_next_s(other), 1060);
	CHECK(overrides_find(list, &model->upstreams[1], &model->upstreams[1].endpoints[0]) !=
	      NULL);
	CHECK(overrides_find(list, &model->upstreams[1], &model->upstreams[1].endpoints[1]) ==
	      NULL);
	json_decref(list);
	FOR_ROWS (row, rows) {
		char text[512];

		snprintf(text, sizeof(text), "%s", row->text);
		for (char *c = text; *c; c++)
			*c = *c == '\'' ? '"' : *c;
		list = json_loads(text, 0, NULL);
		CHECK(list != NULL);
		CHECK(!overrides_read(other, list));
		CHECK_INT(overrides_count(other), row->count);
		json_decref(list);
	}
	overrides_destroy(all);
	overrides_destroy(other);
	model_destroy(model);
}

TEST(there_is_a_most)
{
	struct overrides *all = overrides_create();
	struct model *model = load();
	json_t *list = json_array();
	char said[ERR_TEXT_MAX];
	struct err err;

	for (int i = 0; i <= OVERRIDES_MAX; i++) {
		char name[32];

		snprintf(name, sizeof(name), "u%d", i);
		json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:s, s:i, s:i}", "upstream",
						      name, "endpoint", "10.0.0.1:80", "weight", 1,
						      "service", "off", "uid", 0, "pid", 1));
	}
	CHECK(!overrides_read(all, list));
	CHECK_INT(overrides_count(all), OVERRIDES_MAX);
	CHECK(!change(all, model, "{'upstream':'x','endpoint':'10.0.0.1:80','set':'drain'}", said,
		      &err));
	CHECK_STR(err.text, "there are 1024 overrides already; reset some");
	/* Also such as have no endpoint any more. */
	CHECK(change(all, model, "{'upstream':'u3','endpoint':'10.0.0.1:80','set':'reset'}", said,
		     &err));
	CHECK_INT(overrides_count(all), OVERRIDES_MAX - 1);
	json_decref(list);
	overrides_destroy(all);
	model_destroy(model);
}
