#include "userspace/control/flows_post.h"

#include <jansson.h>
#include <stdio.h>

#include "userspace/control/admin_refusal.h"
#include "userspace/control/flows_move.h"
#include "userspace/splice/splicer.h"

enum { NAME_BYTES_MAX = 255 };

static char *print(json_t *answer)
{
	char *text = json_dumps(answer, JSON_PRESERVE_ORDER);

	json_decref(answer);
	return text;
}

static bool value_of(struct span pair, struct span name, struct span *out_value)
{
	if (pair.len < name.len || memcmp(pair.at, name.at, name.len) != 0)
		return false;
	*out_value = span_after(pair, name.len);
	return true;
}

static bool read_client(struct span text, struct addr *out_addr)
{
	return addr_parse_ip(text, out_addr) || addr_parse(text, out_addr);
}

/* One choice, as a slip of the pen must not cut everything. */
static char *kill_flows(struct fast_path *f, struct span query, uint32_t *out_status)
{
	struct splice_choice choice = { 0 };
	uint32_t cut, later;
	char name[NAME_BYTES_MAX + 1];
	struct span value;
	struct addr client;
	json_t *answer;

	if (value_of(query, SPAN("client="), &value)) {
		if (!read_client(value, &client))
			return admin_refuse(out_status,
					    "a client is an address, with or without a port");
		choice.client = &client;
	} else if (value_of(query, SPAN("upstream="), &value)) {
		if (value.len == 0 || value.len > NAME_BYTES_MAX)
			return admin_refuse(out_status,
					    "the name of an upstream has 1 to 255 bytes");
		snprintf(name, sizeof(name), "%.*s", SPAN_ARG(value));
		choice.upstream = name;
	} else if (!span_is(query, SPAN("all"))) {
		return admin_refuse(out_status,
				    "which? client=ADDRESS[:PORT], upstream=NAME or all");
	}
	if (!fast_path_cut(f, &choice, &cut, &later))
		return admin_refuse(out_status, "this shuntd does not splice");
	answer = json_object();
	json_object_set_new(answer, "cut", json_integer(cut));
	json_object_set_new(answer, "later", json_integer(later));
	return print(answer);
}

char *flows_post(struct fast_path *f, const struct admin_request *request, uint32_t *out_status)
{
	if (span_is(request->path, SPAN("/flows/kill")))
		return kill_flows(f, request->query, out_status);
	return flows_move(fast_path_mover(f), request, out_status);
}
