#include <stdlib.h>

#include "tests/harness/test.h"
#include "userspace/base/addr.h"
#include "userspace/base/must.h"
#include "userspace/control/flow_file.h"

static struct addr at(const char *text)
{
	struct addr a = { 0 };

	CHECK(addr_parse(span_of(text), &a));
	return a;
}

static void key_set(struct flow_key *key, const char *from, const char *to)
{
	struct addr a = at(from), b = at(to);

	memcpy(key->src, a.ip, sizeof(a.ip));
	memcpy(key->dst, b.ip, sizeof(b.ip));
	key->sport = a.port;
	key->dport = b.port;
	key->proto = IPPROTO_TCP;
}

/* Every field that moves has a value of its own, some of them around the wrap. */
static struct splice full_splice(bool v6)
{
	struct splice sp = { .state = SPLICE_SPLICED,
			     .flags = SPLICE_TIMESTAMPS,
			     .session = 1ull << 40,
			     .idle_ms = 3600000,
			     .most_ms = 7200000,
			     .over_rate = { 5, 6 },
			     .name = "web" };

	key_set(&sp.dir[0].out, v6 ? "[2001:db8:2::10]:20001" : "192.0.2.10:20001",
		v6 ? "[2001:db8:a::2]:8001" : "10.0.1.2:8001");
	key_set(&sp.dir[1].out, v6 ? "[2001:db8:53::10]:7000" : "203.0.113.11:7000",
		v6 ? "[2001:db8:1::2]:4000" : "198.51.100.2:4000");
	for (uint32_t i = 0; i < 2; i++) {
		struct splice_dir *d = &sp.dir[i];

		d->seq_delta = 0xfffffff0u + 100 * i;
		d->ts_delta = 77 + i;
		d->floor = 0xffffff00u + i;
		d->ws_in = (uint8_t)(14 - i);
		d->ws_out = (uint8_t)(3 + i);
		d->krcv = d->max_seq = 0xffffff80u + i;
		d->fin = i;
		d->fin_seq = i ? 0xffffff80u : 0;
		d->window = 501 + i;
		d->packets = 11 + i;
		d->bytes = (1ull << 41) + i;
	}
	for (int i = 0; i < 2; i++) {
		sp.dir[i].ack_delta = -sp.dir[!i].seq_delta;
		sp.dir[i].tsecr_delta = -sp.dir[!i].ts_delta;
		sp.dir[i].drain = sp.dir[!i].max_seq + sp.dir[!i].seq_delta;
		sp.dir[i].max_ack = sp.dir[i].drain - 5;
	}
	return sp;
}

static void wrap(struct splice *sp, const char *host, uint16_t wraps)
{
	static const uint8_t ours[6] = { 0x02, 0x73, 0x68, 0x75, 0x6e, 0x00 };
	struct addr vtep;

	CHECK(addr_parse_ip(span_of(host), &vtep));
	sp->dir[0].wraps = wraps;
	sp->tunnel.vni = 5001;
	memcpy(sp->tunnel.vtep, vtep.ip, sizeof(vtep.ip));
	memcpy(sp->tunnel.inner_dst, "\x02\xab\0\0\0\x04", 6);
	memcpy(sp->tunnel.inner_src, ours, sizeof(ours));
}

static const struct splice_rate rate = { 0xfedcba9876543210u, 1000000, 4096 };

/* A file of these. */
static char *file_of(const struct splice *splices, uint32_t count, uint32_t said)
{
	struct flow_head head = { .node = "lb-1", .time_ms = 1700000000123, .flows = said };
	char *all = flow_head_print(&head);

	for (uint32_t i = 0; i < count; i++) {
		struct flow_record record = { splices[i], rate, 90000 };
		char *line = flow_record_print(&record), *more;

		CHECK(asprintf(&more, "%s%s", all, line) > 0);
		free(all);
		free(line);
		all = more;
	}
	return all;
}

TEST(what_is_written_is_read_back_whole)
{
	struct splice splices[4] = { full_splice(false), full_splice(true), full_splice(false),
				     full_splice(true) };
	struct flow_reader reader;
	struct flow_record got;
	struct err err = { "" };
	char *text;

	wrap(&splices[2], "192.0.3.21", 50);
	wrap(&splices[3], "2001:db8:3::21", 70);
	text = file_of(splices, 4, 4);
	CHECK(flow_reader_begin(&reader, span_of(text), &err));
	CHECK_STR(err.text, "");
	CHECK_STR(reader.head.node, "lb-1");
	CHECK_INT(reader.head.time_ms, 1700000000123);
	for (int i = 0; i < 4; i++) {
		CHECK(flow_reader_next(&reader, &got, &err));
		CHECK_STR(err.text, "");
		CHECK(memcmp(&got.splice, &splices[i], sizeof(got.splice)) == 0);
		CHECK(memcmp(&got.rate, &rate, sizeof(rate)) == 0);
		CHECK_INT(got.age_ms, 90000);
	}
	CHECK(!flow_reader_next(&reader, &got, &err));
	CHECK_STR(err.text, "");
	free(text);
}

TEST(what_belongs_to_one_node_alone_stays_there)
{
	struct splice sp = full_splice(false), same = sp;
	char *one, *other;

	sp.state = SPLICE_MOVED;
	sp.generation = 9;
	sp.events = SPLICE_DRAINED;
	sp.worker = 3;
	sp.source_port = 20001;
	sp.pays[0] = 4;
	sp.dir[0].next_hop = 4;
	sp.dir[1].last_jiffies = 5;
	one = file_of(&sp, 1, 1);
	other = file_of(&same, 1, 1);
	CHECK_STR(one, other);
	free(one);
	free(other);
}

TEST(a_name_that_is_no_text_does_not_spoil_the_file)
{
	static const char *const names[] = { "", "a\x80z", "tab\there",
					     "0123456789012345678901234567890\xc3" };
	struct flow_reader reader;
	struct flow_record got;
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct splice sp = full_splice(false);
		char *text;

		memset(sp.name, 0, sizeof(sp.name));
		memcpy(sp.name, names[i], strlen(names[i]));
		text = file_of(&sp, 1, 1);
		CHECK(flow_reader_begin(&reader, span_of(text), &err));
		CHECK(flow_reader_next(&reader, &got, &err));
		CHECK_INT(got.splice.name[sizeof(got.splice.name) - 1], 0);
		free(text);
	}
}

static char *replaced(const char *text, const char *what, const char *by)
{
	const char *where = strstr(text, what);
	char *made = NULL;

	CHECK(where &&
	      asprintf(&made, "%.*s%s%s", (int)(where - text), text, by, where + strlen(what)) > 0);
	return made;
}

TEST(wrong_input_is_told_by_one_sentence_with_line_and_field)
{
	static const struct {
		const char *name, *what, *by, *want;
	} rows[] = {
		{ "no file of ours", "\"shunt_flows\":1", "\"shunt_flows\":2",
		  "line 1: \"shunt_flows\": expected a whole number from 1 to 1, found 2" },
		{ "another ABI", "\"abi\":", "\"abi\":9",
		  "line 1: \"abi\": written by a shunt with ABI 9" },
		{ "a number beyond its field", "\"window\":501", "\"window\":65536",
		  "line 2: \"from_client.window\": expected a whole number from 0 to 65535, found "
		  "65536" },
		{ "a negative number", "\"ws_out\":4", "\"ws_out\":-4",
		  "line 2: \"from_endpoint.ws_out\": expected a whole number from 0 to 14, found "
		  "-4" },
		{ "a number that is none", "\"packets\":11", "\"packets\":11.5",
		  "line 2: \"from_client.packets\": expected a whole number from 0 to "
		  "9223372036854775807, found 11.5" },
		{ "an address without a port", "198.51.100.2:4000", "198.51.100.2",
		  "line 2: \"client\": expected an address with a port such as 192.0.2.1:80 or "
		  "[2001:db8::1]:80, found \"198.51.100.2\"" },
		{ "no address", "198.51.100.2:4000", "0.0.0.0:4000",
		  "line 2: \"client\": expected an address with a port such as 192.0.2.1:80 or "
		  "[2001:db8::1]:80, found \"0.0.0.0:4000\"" },
		{ "families that differ", "198.51.100.2:4000", "[2001:db8::2]:4000",
		  "line 2: \"client\", \"vip\", \"source\" and \"endpoint\" are not of one "
		  "family" },
		{ "an unknown field", "\"age_ms\"", "\"agee_ms\"",
		  "line 2: unknown field \"agee_ms\"" },
		{ "a field of the wrong place", "\"from_endpoint\":{",
		  "\"from_endpoint\":{\"vni\":1,", "line 2: unknown field from_endpoint.\"vni\"" },
		{ "a missing field", "\"idle_ms\":3600000,", "", "line 2: \"idle_ms\" is missing" },
		{ "a field twice", "\"idle_ms\":3600000,", "\"idle_ms\":1,\"idle_ms\":2,",
		  "line 2: expected one JSON object, JSON breaks at byte " },
		{ "a list", "\"timestamps\":true", "\"timestamps\":[1]",
		  "line 2: \"timestamps\": expected true or false, found [1]" },
		{ "an empty name", "\"upstream\":\"web\"", "\"upstream\":\"\"",
		  "line 2: \"upstream\": expected a text of 1 to 31 bytes without control "
		  "characters, found \"\"" },
		{ "a name too long", "\"upstream\":\"web\"",
		  "\"upstream\":\"01234567890123456789012345678901\"",
		  "line 2: \"upstream\": expected a text of 1 to 31 bytes without control "
		  "characters, found \"01234567890123456789012345678901\"" },
		{ "a name with an escape", "\"upstream\":\"web\"", "\"upstream\":\"\\u001b[2J\"",
		  "line 2: \"upstream\": expected a text of 1 to 31 bytes without control "
		  "characters, found \"\\u001B[2J\"" },
		{ "a MAC with blanks", "02:ab:00:00:00:04", "02:ab: 0:00:00:04",
		  "line 2: \"tunnel.mac\": expected a MAC address such as 02:00:00:00:00:04, found "
		  "\"02:ab: 0:00:00:04\"" },
		{ "no tunnel's number", "\"vni\":5001", "\"vni\":16777216",
		  "line 2: \"tunnel.vni\": expected a whole number from 1 to 16777215, found "
		  "16777216" },
		{ "a hash that is a number", "\"fedcba9876543210\"", "17",
		  "line 2: \"rate.owner\": expected sixteen hexadecimal digits, found 17" },
		{ "a direction that is no object", "\"from_client\":{", "\"from_client\":7,\"x\":{",
		  "line 2: unknown field \"x\"" },
		{ "an acknowledgement of what was never sent", "\"max_ack\":4294967147",
		  "\"max_ack\":4294967153",
		  "line 2: \"from_endpoint.max_ack\" acknowledges what was never sent" },
		{ "a FIN's number without a FIN", "\"fin\":1", "\"fin\":0",
		  "line 2: \"from_endpoint.fin_seq\" without \"fin\"" },
		{ "fewer lines than the head says", "\"flows\":1", "\"flows\":2",
		  "line 2: the head says 2 flows, and the file ends after 1" },
		{ "more lines than the head says", "\"flows\":1", "\"flows\":0",
		  "line 2: the head says 0 flows, and here is more" },
		{ "cut in the middle of its last line", "}}\n", "}}",
		  "line 2: the file ends before the end of the line" },
		{ "two objects on a line", "}}\n", "}} {}\n",
		  "line 2: expected one JSON object, JSON breaks at byte " },
		{ "no object", "\n{", "\n[{", "line 2: expected one JSON object, JSON breaks at" },
		{ "a list of objects", "\n{\"client\"", "\n[1]\n{\"client\"",
		  "line 2: expected one JSON object" },
	};
	struct splice sp = full_splice(false);
	char *good;

	wrap(&sp, "192.0.3.21", 50);
	good = file_of(&sp, 1, 1);
	FOR_ROWS (row, rows) {
		struct flow_record got = { .age_ms = 7 };
		char *text = replaced(good, row->what, row->by);
		struct err err = { "" };
		struct flow_reader r;

		if (flow_reader_begin(&r, span_of(text), &err))
			while (flow_reader_next(&r, &got, &err))
				;
		if (strncmp(err.text, row->want, strlen(row->want)) != 0)
			CHECK_STR(err.text, row->want);
		CHECK(!strchr(err.text, '\n'));
		free(text);
	}
	free(good);
}

TEST(nothing_and_a_line_without_end_are_told_too)
{
	static char endless[3 * FLOW_FILE_LINE_MAX];
	struct flow_reader reader;
	struct err err;

	CHECK(!flow_reader_begin(&reader, span_make("", 0), &err));
	CHECK_STR(err.text, "line 1: the file ends before the end of the line");
	memset(endless, '{', sizeof(endless));
	CHECK(!flow_reader_begin(&reader, span_make(endless, sizeof(endless)), &err));
	CHECK_STR(err.text, "line 1: longer than 4096 bytes");
	CHECK(!flow_reader_begin(&reader, span_make("\0\n", 2), &err));
	CHECK_STR(err.text, "line 1: expected one JSON object, JSON breaks at byte 1");
}
