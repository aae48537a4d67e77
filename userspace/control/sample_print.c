#include "userspace/control/sample_print.h"

#include <jansson.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "userspace/base/addr.h"
#include "userspace/base/must.h"

static const struct {
	const char *name, *text;
} reasons[COUNTERS] = {
#define X(what, why) [COUNT_##what] = { #what, why },
	COUNTER_LIST(X)
#undef X
};

const char *sample_reason(uint32_t why)
{
	return why < COUNTERS ? reasons[why].name : "UNKNOWN";
}

const char *sample_reason_text(uint32_t why)
{
	return why < COUNTERS ? reasons[why].text : "a reason of another version of shunt";
}

uint32_t sample_reason_find(const char *name, size_t len)
{
	uint32_t i = 0;

	while (i < COUNTERS &&
	       (strlen(reasons[i].name) != len || strncasecmp(reasons[i].name, name, len) != 0))
		i++;
	return i;
}

const char *sample_action(uint8_t action)
{
	static const char *const names[] = { "aborted", "drop", "pass", "tx", "redirect" };

	return action < ARRAY_LEN(names) ? names[action] : "unknown";
}

static struct addr_text end_of(const __be32 ip[4], __be16 port)
{
	struct addr a = { .port = port };

	memcpy(a.ip, ip, sizeof(a.ip));
	return addr_print(&a);
}

/* As `shuntctl explain` takes them. */
static void flags_print(char *out, size_t len, uint8_t flags)
{
	static const char *const names[] = {
		"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"
	};
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (flags >> i & 1 && at < len)
			at += (size_t)snprintf(out + at, len - at, "%s%s", at ? "|" : " ",
					       names[i]);
}

static void proto_print(char *out, size_t len, uint8_t proto)
{
	if (proto == IPPROTO_TCP || proto == IPPROTO_UDP)
		snprintf(out, len, "%s", proto == IPPROTO_TCP ? "tcp" : "udp");
	else if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6)
		snprintf(out, len, "%s", proto == IPPROTO_ICMP ? "icmp" : "icmp6");
	else
		snprintf(out, len, "ip-%u", proto);
}

struct sample_line sample_tuple(const struct sample *s)
{
	struct addr_text from = end_of(s->flow.src, s->flow.sport);
	struct addr_text to = end_of(s->flow.dst, s->flow.dport);
	char proto[16], flags[48];
	struct sample_line line;

	if (s->why == COUNT_NOT_IP && !s->l3_bytes) {
		snprintf(line.text, sizeof(line.text), "not ip");
		return line;
	}
	proto_print(proto, sizeof(proto), s->flow.proto);
	flags_print(flags, sizeof(flags), s->flow.proto == IPPROTO_TCP ? s->tcp_flags : 0);
	snprintf(line.text, sizeof(line.text), "%s %s > %s%s", proto, from.text, to.text, flags);
	return line;
}

static void name_print(char *out, size_t len, const char *what, const char *name, uint32_t number)
{
	out[0] = '\0';
	if (number == SAMPLE_NONE)
		return;
	if (name)
		snprintf(out, len, " %s %s", what, name);
	else
		snprintf(out, len, " %s #%u", what, number);
}

static void time_print(char *out, size_t len, uint64_t wall_ns)
{
	time_t seconds = (time_t)(wall_ns / 1000000000u);
	struct tm utc;
	char day[32];

	gmtime_r(&seconds, &utc);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(out, len, "%s.%06uZ", day, (unsigned)(wall_ns / 1000 % 1000000));
}

static void device_print(char *out, size_t len, const char *name, uint32_t ifindex)
{
	if (name)
		snprintf(out, len, "%s", name);
	else
		snprintf(out, len, "if%u", ifindex);
}

struct sample_line sample_print(const struct sample *s, const struct sample_names *names,
				uint64_t wall_ns)
{
	char when[48], in[32], out[32] = "", vip[128], endpoint[128], way[64] = "";
	struct sample_line line, tuple = sample_tuple(s);

	time_print(when, sizeof(when), wall_ns);
	device_print(in, sizeof(in), names->device, s->ifindex);
	if (s->out_ifindex) {
		device_print(out, sizeof(out), names->out_device, s->out_ifindex);
		snprintf(way, sizeof(way), " by %s", out);
	}
	name_print(vip, sizeof(vip), "vip", names->vip, s->vip);
	name_print(endpoint, sizeof(endpoint), "endpoint", names->endpoint, s->endpoint);
	snprintf(line.text, sizeof(line.text), "%s %s %.256s len %u%s: %s%s %s%s%s", when, in,
		 tuple.text, s->bytes, s->flags & SAMPLE_UNWRAPPED ? " in vxlan" : "",
		 sample_action(s->action), way, sample_reason(s->why), vip, endpoint);
	return line;
}

static json_t *text_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

static json_t *number_or_null(uint32_t number)
{
	return number == SAMPLE_NONE ? json_null() : json_integer(number);
}

struct json_t *sample_json(const struct sample *s, const struct sample_names *names,
			   uint64_t wall_ns)
{
	json_t *all = json_object();
	char when[48], proto[16], flags[48];

	time_print(when, sizeof(when), wall_ns);
	proto_print(proto, sizeof(proto), s->flow.proto);
	flags_print(flags, sizeof(flags), s->flow.proto == IPPROTO_TCP ? s->tcp_flags : 0);
	json_object_set_new(all, "time", json_string(when));
	json_object_set_new(all, "protocol", json_string(proto));
	json_object_set_new(all, "source", json_string(end_of(s->flow.src, s->flow.sport).text));
	json_object_set_new(all, "destination",
			    json_string(end_of(s->flow.dst, s->flow.dport).text));
	json_object_set_new(all, "flags", json_string(flags[0] ? flags + 1 : ""));
	json_object_set_new(all, "vlan_tags", json_integer(s->vlan_tags));
	json_object_set_new(all, "bytes", json_integer(s->bytes));
	json_object_set_new(all, "unwrapped", json_boolean(s->flags & SAMPLE_UNWRAPPED));
	json_object_set_new(all, "fragment", json_boolean(s->flags & SAMPLE_FRAGMENT));
	json_object_set_new(all, "verdict", json_string(sample_action(s->action)));
	json_object_set_new(all, "reason", json_string(sample_reason(s->why)));
	json_object_set_new(all, "ifindex", json_integer(s->ifindex));
	json_object_set_new(all, "device", text_or_null(names->device));
	json_object_set_new(all, "out_ifindex", json_integer(s->out_ifindex));
	json_object_set_new(all, "out_device", text_or_null(names->out_device));
	json_object_set_new(all, "vip", text_or_null(names->vip));
	json_object_set_new(all, "vip_tally", number_or_null(s->vip));
	json_object_set_new(all, "endpoint", text_or_null(names->endpoint));
	json_object_set_new(all, "endpoint_id", number_or_null(s->endpoint));
	return all;
}
