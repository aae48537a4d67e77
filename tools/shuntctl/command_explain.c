#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/shuntctl/command.h"
#include "tools/shuntctl/traffic_names.h"
#include "userspace/base/must.h"
#include "userspace/control/explain_packet.h"
#include "userspace/control/flows.h"
#include "userspace/control/sample_print.h"

/* The steps are told in order, each by a name and a sentence. */
struct telling {
	const struct explained *e;
	const struct sample *s;
	const struct traffic_names *names; /* NULL: no daemon says them */
	json_t *steps;
};

__attribute__((format(printf, 3, 4))) static void tell(struct telling *t, const char *step,
						       const char *fmt, ...)
{
	json_t *one = json_object();
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	json_object_set_new(one, "step", json_string(step));
	json_object_set_new(one, "result", json_string(text));
	json_array_append_new(t->steps, one);
}

static void tell_parse(struct telling *t)
{
	const struct sample *s = t->s;

	tell(t, "parse", "%s, %u bytes, %u vlan tag%s%s%s", sample_tuple(s).text, s->bytes,
	     s->vlan_tags, s->vlan_tags == 1 ? "" : "s",
	     s->flags & SAMPLE_UNWRAPPED ? ", in VXLAN to us" : "",
	     s->flags & SAMPLE_ODD ? ", odd: its headers contradict each other" : "");
}

/* False: the rest is not reached. */
static bool tell_splice(struct telling *t)
{
	if (t->s->splice == SAMPLE_NONE) {
		tell(t, "splice", "no, its connection is not spliced");
		return true;
	}
	tell(t, "splice",
	     "yes, number %u, %s; the rules that follow depend on sequence numbers and would move "
	     "the connection, so they are not run",
	     t->s->splice, flows_state_name(t->e->splice_state));
	return false;
}

static bool tell_vip(struct telling *t)
{
	char name[TRAFFIC_NAME_MAX];

	if (t->s->vip == SAMPLE_NONE) {
		tell(t, "vip", "none: no listener has this address, port and protocol");
		return false;
	}
	if (!traffic_names_vip(t->names, t->s->vip, name))
		snprintf(name, sizeof(name), "#%u", t->s->vip);
	tell(t, "vip", "%s, a listener %s", name,
	     t->s->vip < RINGS_MAX ? "that is forwarded here (L4)" : "of the proxy (L7)");
	return t->s->vip < RINGS_MAX;
}

static void tell_endpoint(struct telling *t)
{
	const struct sample *s = t->s;
	char name[TRAFFIC_NAME_MAX];

	tell(t, "flow entry", "%s",
	     s->flags & SAMPLE_KNOWN ? "found: its connection keeps its endpoint"
				     : "none is used: it is a new connection, or the ring decides");
	if (s->ring_slot != SAMPLE_NONE)
		tell(t, "ring", "slot %u of %u", s->ring_slot, s->vip_slots);
	if (s->endpoint == SAMPLE_NONE) {
		tell(t, "endpoint", "none");
		return;
	}
	if (!traffic_names_endpoint(t->names, s->endpoint, name))
		snprintf(name, sizeof(name), "of unknown address");
	tell(t, "endpoint", "%s, id %u", name, s->endpoint);
}

static const char *mac(const uint8_t bytes[6], char out[18])
{
	snprintf(out, 18, "%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2], bytes[3],
		 bytes[4], bytes[5]);
	return out;
}

static void tell_next_hop(struct telling *t)
{
	const struct next_hop *hop = &t->e->next_hop;
	struct addr via = { 0 };
	char name[IF_NAMESIZE], to[18];

	if (t->s->next_hop == SAMPLE_NONE)
		return;
	if (!hop->ifindex) {
		tell(t, "next hop", "none: there is no route to the endpoint's host");
		return;
	}
	memcpy(via.ip, hop->via, sizeof(via.ip));
	if (!if_indextoname(hop->ifindex, name))
		snprintf(name, sizeof(name), "if%u", hop->ifindex);
	tell(t, "next hop", "%s on %s, %s, mtu %u", addr_print(&via).text, name,
	     hop->ready ? mac(hop->dst_mac, to) : "which has no MAC address yet (ip neigh)",
	     hop->mtu);
}

static void tell_frame(struct telling *t)
{
	const struct explained *e = t->e;
	struct frame_view v = frame_view_read(e->out, e->out_len), inner;
	char to[18], from[18], vlan[16] = "";

	if (e->sample.out_ifindex == 0 || !v.ip)
		return;
	if (v.vlan)
		snprintf(vlan, sizeof(vlan), " vlan %u", v.vlan);
	if (v.vxlan) {
		inner = frame_view_read(e->out + v.inner, e->out_len - v.inner);
		tell(t, "encapsulation", "VXLAN, VNI %u, %s > %s, around %s > %s ttl %u to MAC %s",
		     v.vni, addr_print(&v.src).text, addr_print(&v.dst).text,
		     addr_print(&inner.src).text, addr_print(&inner.dst).text, inner.ttl,
		     mac(inner.dst_mac, to));
	}
	tell(t, "frame", "%zu bytes, MAC %s > %s%s, %s > %s ttl %u", e->out_len,
	     mac(v.src_mac, from), mac(v.dst_mac, to), vlan, addr_print(&v.src).text,
	     addr_print(&v.dst).text, v.ttl);
}

static void tell_verdict(struct telling *t)
{
	const struct sample *s = t->s;

	if (s->splice != SAMPLE_NONE)
		tell(t, "verdict", "not known, see splice");
	else
		tell(t, "verdict", "%s%s%s", sample_action(s->action),
		     s->out_ifindex ? " out of " : "", s->out_ifindex ? t->e->out_device : "");
	tell(t, "counter", "%s would have moved (%s)", sample_reason(s->why),
	     sample_reason_text(s->why));
}

static void print(const struct telling *t, bool json)
{
	struct sample_names names = { .device = t->e->device, .out_device = t->e->out_device };
	json_t *all, *one;
	size_t i;

	if (json) {
		all = sample_json(t->s, &names, 0);
		json_object_del(all, "time");
		json_object_set(all, "steps", t->steps);
		json_dumpf(all, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
		putchar('\n');
		json_decref(all);
		return;
	}
	printf("program %u on %s, run without counting or remembering anything\n", t->e->program_id,
	       t->e->device);
	json_array_foreach(t->steps, i, one)
		printf("  %-14s %s\n", json_string_value(json_object_get(one, "step")),
		       json_string_value(json_object_get(one, "result")));
}

static void tell_all(struct telling *t)
{
	tell_parse(t);
	if (tell_splice(t) && tell_vip(t)) {
		tell_endpoint(t);
		tell_next_hop(t);
	}
	tell_frame(t);
	tell_verdict(t);
}

/* What would be left out without a word. */
static const char *too_much(const struct command_options *options)
{
	int asked = (options->operand != NULL) + (options->packet != NULL) +
		    (options->request_id != NULL);

	if (asked > 1)
		return "expected one of a request, --request-id and --packet, found more";
	if (options->at && options->config)
		return "expected one of --at and --config, found both";
	if (!options->operand && (options->header_count > 0 || options->from || options->at ||
				  options->config || options->subject || options->vip ||
				  options->session_id || options->session_resumed || options->alpn))
		return "-H, --from, --subject, --session-id, --session-resumed, --alpn, --vip, "
		       "--at and --config are for a request such as 'GET "
		       "https://www.example.com/', found none";
	return NULL;
}

int command_explain(const struct command_options *options)
{
	const char *wrong = too_much(options);
	struct explained *e = must_alloc(sizeof(*e));
	struct telling t = { .e = e, .s = &e->sample };
	struct packet_words packet;
	struct traffic_names *names;
	struct err err, ignored;
	bool done;

	if (wrong || options->operand || options->request_id) {
		free(e);
		if (!wrong)
			return command_explain_request(options);
		err_set(&err, "%s", wrong);
		return command_refuse("explain", &err);
	}
	done = options->packet
		       ? packet_words_parse(options->packet, &packet, &err)
		       : err_set(&err,
				 "explain needs a request such as 'GET https://www.example.com/', "
				 "or --packet 'tcp A:PORT > B:PORT'");
	done = done && explain_packet(options->pin_dir, options->device, &packet, e, &err);
	if (!done) {
		free(e);
		return command_refuse("explain", &err);
	}
	names = traffic_names_get(&options->admin, &ignored);
	t.names = names;
	t.steps = json_array();
	tell_all(&t);
	print(&t, options->json);
	json_decref(t.steps);
	traffic_names_free(names);
	free(e);
	return EXIT_DONE;
}
