#include <jansson.h>
#include <linux/bpf.h>
#include <stdlib.h>

#include "tests/harness/test.h"
#include "userspace/base/addr.h"
#include "userspace/control/sample_print.h"

enum { SYN = 2, ACK = 16 };

static struct sample sample(const char *from, const char *to, uint8_t proto)
{
	struct sample s = { .bytes = 74,
			    .l3_bytes = 60,
			    .ifindex = 7,
			    .action = XDP_TX,
			    .out_ifindex = 7,
			    .why = COUNT_FORWARDED,
			    .vip = 3,
			    .endpoint = 5 };
	struct addr a, b;

	CHECK(addr_parse(span_of(from), &a) && addr_parse(span_of(to), &b));
	memcpy(s.flow.src, a.ip, sizeof(a.ip));
	memcpy(s.flow.dst, b.ip, sizeof(b.ip));
	s.flow.sport = a.port;
	s.flow.dport = b.port;
	s.flow.proto = proto;
	return s;
}

TEST(a_line_has_time_tuple_verdict_reason_device_and_endpoint)
{
	struct sample four = sample("198.51.100.7:4000", "203.0.113.10:443", IPPROTO_TCP);
	struct sample six = sample("[2001:db8::7]:4000", "[2001:db8::10]:53", IPPROTO_UDP);
	struct sample_names all = { "web:443", "10.0.0.5:443", "eth0", "eth0" }, none = { 0 };

	four.tcp_flags = SYN | ACK;
	CHECK_STR(sample_print(&four, &all, 1500000000123456789u).text,
		  "2017-07-14T02:40:00.123456Z eth0 tcp 198.51.100.7:4000 > 203.0.113.10:443 "
		  "syn|ack len 74: tx by eth0 FORWARDED vip web:443 endpoint 10.0.0.5:443");
	six.why = COUNT_NO_ENDPOINT;
	six.action = XDP_DROP;
	six.out_ifindex = 0;
	six.endpoint = SAMPLE_NONE;
	six.flags = SAMPLE_UNWRAPPED;
	CHECK_STR(sample_print(&six, &none, 0).text,
		  "1970-01-01T00:00:00.000000Z if7 udp [2001:db8::7]:4000 > [2001:db8::10]:53 len "
		  "74 in vxlan: drop NO_ENDPOINT vip #3");
}

TEST(what_is_no_ip_has_no_addresses)
{
	struct sample s = { .why = COUNT_NOT_IP,
			    .action = XDP_PASS,
			    .vip = SAMPLE_NONE,
			    .endpoint = SAMPLE_NONE,
			    .bytes = 60,
			    .ifindex = 2 };
	struct sample_names none = { 0 };

	CHECK_STR(sample_print(&s, &none, 0).text,
		  "1970-01-01T00:00:00.000000Z if2 not ip len 60: pass NOT_IP");
}

TEST(json_says_the_same_with_numbers_where_names_are_unknown)
{
	struct sample s = sample("198.51.100.7:4000", "203.0.113.10:443", IPPROTO_TCP);
	struct sample_names none = { 0 };
	json_t *got = sample_json(&s, &none, 0);

	CHECK_STR(json_string_value(json_object_get(got, "source")), "198.51.100.7:4000");
	CHECK_STR(json_string_value(json_object_get(got, "verdict")), "tx");
	CHECK_STR(json_string_value(json_object_get(got, "reason")), "FORWARDED");
	CHECK(json_is_null(json_object_get(got, "vip")));
	CHECK_INT(json_integer_value(json_object_get(got, "vip_tally")), 3);
	CHECK_INT(json_integer_value(json_object_get(got, "endpoint_id")), 5);
	json_decref(got);
}

TEST(reasons_are_found_by_name_whatever_the_case)
{
	CHECK_INT(sample_reason_find("no_endpoint", 11), COUNT_NO_ENDPOINT);
	CHECK_INT(sample_reason_find("NOT_OURS", 8), COUNT_NOT_OURS);
	CHECK_INT(sample_reason_find("NOT_OUR", 7), COUNTERS);
	CHECK_INT(sample_reason_find("", 0), COUNTERS);
	CHECK_STR(sample_reason(COUNTERS), "UNKNOWN");
	CHECK_STR(sample_action(XDP_REDIRECT), "redirect");
	CHECK_STR(sample_action(77), "unknown");
}
