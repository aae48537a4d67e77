#include <jansson.h>
#include <stdlib.h>

#include "tests/harness/test.h"
#include "userspace/base/addr.h"
#include "userspace/control/flows.h"
#include "userspace/control/flows_nat.h"

static void key_set(struct flow_key *key, const char *from, const char *to)
{
	struct addr a, b;

	CHECK(addr_parse(span_of(from), &a) && addr_parse(span_of(to), &b));
	memcpy(key->src, a.ip, sizeof(a.ip));
	memcpy(key->dst, b.ip, sizeof(b.ip));
	key->sport = a.port;
	key->dport = b.port;
}

TEST(a_flow_names_both_ends_and_both_of_our_sides)
{
	struct splice splice = { .state = SPLICE_SPLICED,
				 .started_ms = 1000,
				 .source_port = 20001 };
	json_t *got;

	memset(splice.name, 'n', sizeof(splice.name)); /* without its NUL */
	key_set(&splice.dir[0].out, "192.0.2.10:20001", "10.0.0.5:8080");
	key_set(&splice.dir[1].out, "203.0.113.10:443", "198.51.100.7:4000");
	splice.dir[0].bytes = 10;
	splice.dir[1].bytes = 20;
	got = flows_entry(&splice, 5500);
	CHECK_STR(json_string_value(json_object_get(got, "client")), "198.51.100.7:4000");
	CHECK_STR(json_string_value(json_object_get(got, "vip")), "203.0.113.10:443");
	CHECK_STR(json_string_value(json_object_get(got, "source")), "192.0.2.10:20001");
	CHECK_STR(json_string_value(json_object_get(got, "endpoint")), "10.0.0.5:8080");
	CHECK_STR(json_string_value(json_object_get(got, "state")), "spliced");
	CHECK_INT(strlen(json_string_value(json_object_get(got, "upstream"))), sizeof(splice.name));
	CHECK_INT(json_integer_value(json_object_get(got, "bytes_in")), 10);
	CHECK_INT(json_integer_value(json_object_get(got, "bytes_out")), 20);
	CHECK_INT(json_integer_value(json_object_get(got, "age_s")), 4);
	json_decref(got);
}

TEST(a_translated_connection_has_its_ends_and_says_how_it_stands)
{
	static const struct {
		const char *name;
		uint32_t nat;
		const char *state;
	} rows[] = {
		{ "begun", 0, "nat new" },
		{ "answered once", NAT_ANSWERED, "nat new" },
		{ "both have talked", NAT_ANSWERED | NAT_KEPT, "nat" },
		{ "one has finished", NAT_KEPT | NAT_FIN_CLIENT, "nat" },
		{ "both have", NAT_KEPT | NAT_FINS, "nat over" },
		{ "a reset", NAT_RESET, "nat over" },
		{ "its place is no flag", NAT_KEPT | 0xffffff00u, "nat" },
	};
	struct flow_entry front = { .key.proto = 17 }, back = { .key.proto = 17 };

	key_set(&front.key, "198.51.100.7:4000", "203.0.113.10:53");
	key_set(&back.key, "10.0.0.5:5300", "192.0.2.10:61001");
	FOR_ROWS (row, rows) {
		json_t *got;

		front.nat = row->nat;
		got = flows_nat_entry(&front, &back);
		CHECK_STR(json_string_value(json_object_get(got, "client")), "198.51.100.7:4000");
		CHECK_STR(json_string_value(json_object_get(got, "vip")), "203.0.113.10:53");
		CHECK_STR(json_string_value(json_object_get(got, "source")), "192.0.2.10:61001");
		CHECK_STR(json_string_value(json_object_get(got, "endpoint")), "10.0.0.5:5300");
		CHECK_STR(json_string_value(json_object_get(got, "protocol")), "udp");
		CHECK_STR(json_string_value(json_object_get(got, "state")), row->state);
		json_decref(got);
	}
}

TEST(where_nothing_is_pinned_it_says_so_or_is_empty)
{
	struct err err = { "" };
	char *none = flows_print("/nowhere", false, NULL);

	CHECK_STR(none, "[]");
	free(none);
	CHECK(flows_print("/nowhere", false, &err) == NULL);
	CHECK_STR(err.text, "nothing is pinned at /nowhere/shunt_splices: the fast path is not "
			    "attached, or has another --pin-dir");
	CHECK_STR(flows_state_name(99), "unknown");
}
