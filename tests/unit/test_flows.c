#include <jansson.h>
#include <stdlib.h>

#include "tests/harness/test.h"
#include "userspace/base/addr.h"
#include "userspace/control/flows.h"

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

TEST(where_nothing_is_pinned_it_says_so_or_is_empty)
{
	struct err err = { "" };
	char *none = flows_print("/nowhere", NULL);

	CHECK_STR(none, "[]");
	free(none);
	CHECK(flows_print("/nowhere", &err) == NULL);
	CHECK_STR(err.text, "nothing is pinned at /nowhere/shunt_splices: the fast path is not "
			    "attached, or has another --pin-dir");
	CHECK_STR(flows_state_name(99), "unknown");
}
