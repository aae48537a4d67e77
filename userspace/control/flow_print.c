/*
 * The other half of flow_file.h: a splice as a line.
 */
#include <jansson.h>
#include <stdio.h>

#include "userspace/control/flow_fields.h"

static json_t *number_json(const struct field *field, const void *at)
{
	uint64_t n = field->bytes == 1   ? *(const uint8_t *)at
		     : field->bytes == 4 ? *(const uint32_t *)at
					 : *(const uint64_t *)at;

	return json_integer((json_int_t)(n < field->most ? n : field->most));
}

static json_t *mac_json(const uint8_t at[6])
{
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", at[0], at[1], at[2], at[3],
		 at[4], at[5]);
	return json_string(text);
}

static json_t *hash_json(const uint64_t *at)
{
	char text[17];

	snprintf(text, sizeof(text), "%016llx", (unsigned long long)*at);
	return json_string(text);
}

/* A name that could not be read back is of no use there. */
static json_t *text_json(const struct field *field, const char *at)
{
	char text[FLOW_FILE_NODE_MAX + 1] = { 0 };
	json_t *made;

	snprintf(text, sizeof(text), "%.*s", (int)field->bytes - 1, at);
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	made = *text ? json_string(text) : NULL;
	return made ? made : json_string("?");
}

static json_t *object_json(const struct field *fields, const void *from);

static json_t *value_json(const struct field *field, const void *at)
{
	switch (field->kind) {
	case FIELD_NUMBER:
		return number_json(field, at);
	case FIELD_WHETHER:
		return json_boolean(*(const uint32_t *)at);
	case FIELD_ADDRESS:
	case FIELD_IP:
		return json_string(addr_print(at).text);
	case FIELD_MAC:
		return mac_json(at);
	case FIELD_HASH:
		return hash_json(at);
	case FIELD_TEXT:
		return text_json(field, at);
	default:
		return object_json(field->inside, at);
	}
}

static bool is_there(const struct field *field, const void *at)
{
	bool any = field->kind != FIELD_OPTIONAL;

	for (uint32_t i = 0; i < field->bytes && !any; i++)
		any = ((const char *)at)[i] != 0;
	return any;
}

static json_t *object_json(const struct field *fields, const void *from)
{
	json_t *object = json_object();

	for (; fields->name; fields++) {
		const void *at = (const char *)from + fields->at;

		if (is_there(fields, at))
			json_object_set_new(object, fields->name, value_json(fields, at));
	}
	return object;
}

static char *line_print(const struct field *fields, const void *from)
{
	json_t *object = object_json(fields, from);
	char *text = json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER), *line = NULL;

	if (text && asprintf(&line, "%s\n", text) < 0)
		line = NULL;
	free(text);
	json_decref(object);
	return line;
}

char *flow_head_print(const struct flow_head *head)
{
	struct flow_head_line line = { FLOW_FILE_VERSION, ABI_VERSION, *head };

	return line_print(flow_head_fields, &line);
}

static struct addr addr_of(const __be32 *ip, __be16 port)
{
	struct addr a = { .port = port };

	memcpy(a.ip, ip, sizeof(a.ip));
	return a;
}

char *flow_record_print(const struct flow_record *record)
{
	const struct splice *sp = &record->splice;
	const struct flow_key *in = &sp->dir[1].out, *out = &sp->dir[0].out;
	struct flow_line line = {
		.client = addr_of(in->dst, in->dport),
		.vip = addr_of(in->src, in->sport),
		.source = addr_of(out->src, out->sport),
		.endpoint = addr_of(out->dst, out->dport),
		.timestamps = sp->flags & SPLICE_TIMESTAMPS ? 1 : 0,
		.age_ms = record->age_ms,
		.session = sp->session,
		.idle_ms = sp->idle_ms,
		.most_ms = sp->most_ms,
		.rate = { record->rate.owner, record->rate.all, record->rate.source,
			  sp->over_rate[0], sp->over_rate[1] },
		.dir = { sp->dir[0], sp->dir[1] },
	};

	memcpy(line.upstream, sp->name, sizeof(line.upstream));
	if (sp->dir[0].wraps) {
		line.tunnel.vni = sp->tunnel.vni;
		line.tunnel.host = addr_of(sp->tunnel.vtep, 0);
		memcpy(line.tunnel.mac, sp->tunnel.inner_dst, sizeof(line.tunnel.mac));
	}
	return line_print(flow_line_fields, &line);
}
