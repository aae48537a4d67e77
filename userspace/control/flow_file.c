#include "userspace/control/flow_file.h"

#include <jansson.h>
#include <stdio.h>

#include "userspace/control/flow_fields.h"

enum { WRAP_V4 = 50, WRAP_V6 = 70, SHOWN_MAX = 40 }; /* as in bpf/lib/vxlan_headers.h */

/* Where a value stands, for the sentence about it. */
struct spot {
	uint32_t line;
	const char *outer; /* "" or the object that it is in */
	const char *name;
	struct err *err;
};

struct shown {
	char text[SHOWN_MAX + 8];
};

/* A value as it can be put before an operator's eyes. */
static struct shown show(const json_t *value)
{
	struct shown shown = { "" };
	char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII);

	snprintf(shown.text, sizeof(shown.text), "%.*s%s", SHOWN_MAX, text ? text : "?",
		 text && strlen(text) > SHOWN_MAX ? "..." : "");
	for (char *c = shown.text; *c; c++)
		if (*c == 0x7f) /* the only one of ASCII's that JSON lets pass */
			*c = '?';
	free(text);
	return shown;
}

static bool expected(const struct spot *spot, const char *what, const json_t *found)
{
	return err_set(spot->err, "line %u: \"%s%s%s\": expected %s, found %s", spot->line,
		       spot->outer, *spot->outer ? "." : "", spot->name, what, show(found).text);
}

/* --- values ----------------------------------------------------------------------------- */

static bool number_is_wrong(const struct spot *spot, const struct field *field, const json_t *value)
{
	char want[96];

	snprintf(want, sizeof(want), "a whole number from %llu to %llu",
		 (unsigned long long)field->least, (unsigned long long)field->most);
	return expected(spot, want, value);
}

static bool number_read(const struct spot *spot, const struct field *field, const json_t *value,
			void *at)
{
	json_int_t n = json_integer_value(value);

	if (!json_is_integer(value) || n < 0 || (uint64_t)n < field->least ||
	    (uint64_t)n > field->most)
		return number_is_wrong(spot, field, value);
	if (field->bytes == 1)
		*(uint8_t *)at = (uint8_t)n;
	else if (field->bytes == 4)
		*(uint32_t *)at = (uint32_t)n;
	else
		*(uint64_t *)at = (uint64_t)n;
	return true;
}

static bool is_nobody(const struct addr *a)
{
	return !a->ip[3] && (addr_is_v4(a) || (!a->ip[0] && !a->ip[1] && !a->ip[2]));
}

static bool address_read(const struct spot *spot, const struct field *field, const json_t *value,
			 struct addr *at)
{
	struct span text = span_make(json_string_value(value), json_string_length(value));

	if (field->kind == FIELD_ADDRESS && (!addr_parse(text, at) || is_nobody(at)))
		return expected(spot,
				"an address with a port such as 192.0.2.1:80 or [2001:db8::1]:80",
				value);
	if (field->kind == FIELD_IP && (!addr_parse_ip(text, at) || is_nobody(at)))
		return expected(spot, "an address such as 192.0.2.1 or 2001:db8::1", value);
	return true;
}

static const char hex_digits[] = "0123456789abcdef";

/* Two digits and a colon, six times. */
static bool mac_read(const struct spot *spot, const json_t *value, uint8_t at[6])
{
	const char *text = json_string_value(value);
	bool good = text && json_string_length(value) == 17;

	for (int i = 0; good && i < 6; i++) {
		const char *high = memchr(hex_digits, text[3 * i], 16);
		const char *low = memchr(hex_digits, text[3 * i + 1], 16);

		good = high && low && (i == 5 || text[3 * i + 2] == ':');
		if (good)
			at[i] = (uint8_t)((high - hex_digits) << 4 | (low - hex_digits));
	}
	return good || expected(spot, "a MAC address such as 02:00:00:00:00:04", value);
}

static bool hash_read(const struct spot *spot, const json_t *value, uint64_t *at)
{
	const char *text = json_string_value(value);

	*at = 0;
	if (!text || json_string_length(value) != 16 || strspn(text, hex_digits) != 16)
		return expected(spot, "sixteen hexadecimal digits", value);
	for (; *text; text++)
		*at = *at << 4 | (uint64_t)(strchr(hex_digits, *text) - hex_digits);
	return true;
}

static bool text_is_plain(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

static bool text_read(const struct spot *spot, const struct field *field, const json_t *value,
		      char *at)
{
	const char *text = json_string_value(value);
	char want[96];

	snprintf(want, sizeof(want), "a text of 1 to %u bytes without control characters",
		 field->bytes - 1);
	if (!text || !*text || strlen(text) >= field->bytes || !text_is_plain(text))
		return expected(spot, want, value);
	memcpy(at, text, strlen(text) + 1);
	return true;
}

static bool object_read(const struct spot *spot, const struct field *fields, json_t *object,
			void *into);

static bool value_read(const struct spot *spot, const struct field *field, json_t *value, void *at)
{
	switch (field->kind) {
	case FIELD_NUMBER:
		return number_read(spot, field, value, at);
	case FIELD_WHETHER:
		*(uint32_t *)at = json_is_true(value);
		return json_is_boolean(value) || expected(spot, "true or false", value);
	case FIELD_ADDRESS:
	case FIELD_IP:
		return address_read(spot, field, value, at);
	case FIELD_MAC:
		return mac_read(spot, value, at);
	case FIELD_HASH:
		return hash_read(spot, value, at);
	case FIELD_TEXT:
		return text_read(spot, field, value, at);
	default:
		return json_is_object(value) ? object_read(spot, field->inside, value, at)
					     : expected(spot, "an object", value);
	}
}

/* --- lines ------------------------------------------------------------------------------ */

static bool is_known(const struct field *fields, const char *name)
{
	for (; fields->name; fields++)
		if (!strcmp(fields->name, name))
			return true;
	return false;
}

/* Each field once, and no other. */
static bool object_read(const struct spot *outside, const struct field *fields, json_t *object,
			void *into)
{
	struct spot spot = { outside->line, outside->name, NULL, outside->err };
	const char *dot = *spot.outer ? "." : "", *name;
	json_t *value, *shown;

	json_object_foreach(object, name, value)
	{
		if (is_known(fields, name))
			continue;
		shown = json_string(name);
		err_set(spot.err, "line %u: unknown field %s%s%s", spot.line, spot.outer, dot,
			show(shown).text);
		json_decref(shown);
		return false;
	}
	for (; fields->name; fields++) {
		value = json_object_get(object, fields->name);
		spot.name = fields->name;
		if (!value && fields->kind == FIELD_OPTIONAL)
			continue;
		if (!value)
			return err_set(spot.err, "line %u: \"%s%s%s\" is missing", spot.line,
				       spot.outer, dot, fields->name);
		if (!value_read(&spot, fields, value, (char *)into + fields->at))
			return false;
	}
	return true;
}

static bool line_read(uint32_t number, struct span line, const struct field *fields, void *into,
		      struct err *err)
{
	struct spot spot = { number, "", "", err };
	json_error_t why;
	json_t *object = json_loadb(line.at, line.len, JSON_REJECT_DUPLICATES, &why);
	bool good;

	if (!object)
		return err_set(err, "line %u: expected one JSON object, JSON breaks at byte %d",
			       number, why.position);
	good = json_is_object(object) ? object_read(&spot, fields, object, into)
				      : err_set(err, "line %u: expected one JSON object", number);
	json_decref(object);
	return good;
}

/* Without its new line; false: it has none, or is too long. */
static bool line_take(struct flow_reader *r, struct err *err)
{
	const char *end = memchr(r->rest.at, '\n', r->rest.len);
	size_t len = end ? (size_t)(end - r->rest.at) : r->rest.len;

	r->line++;
	if (len >= FLOW_FILE_LINE_MAX)
		return err_set(err, "line %u: longer than %d bytes", r->line, FLOW_FILE_LINE_MAX);
	if (!end)
		return err_set(err, "line %u: the file ends before the end of the line", r->line);
	r->last = span_make(r->rest.at, len);
	r->rest = span_after(r->rest, len + 1);
	return true;
}

bool flow_reader_begin(struct flow_reader *r, struct span text, struct err *err)
{
	struct flow_head_line line = { 0 };

	*r = (struct flow_reader){ .rest = text };
	if (!line_take(r, err) || !line_read(r->line, r->last, flow_head_fields, &line, err))
		return false;
	if (line.abi != ABI_VERSION)
		return err_set(
			err,
			"line %u: \"abi\": written by a shunt with ABI %u, and this one has %d; "
			"run the same version on both nodes",
			r->line, line.abi, ABI_VERSION);
	r->head = line.head;
	return true;
}

/* --- what a line means ------------------------------------------------------------------ */

static struct flow_key key_of(const struct addr *from, const struct addr *to)
{
	struct flow_key key = { .sport = from->port, .dport = to->port, .proto = IPPROTO_TCP };

	memcpy(key.src, from->ip, sizeof(key.src));
	memcpy(key.dst, to->ip, sizeof(key.dst));
	return key;
}

static void tunnel_set(struct splice *sp, const struct flow_tunnel *tunnel)
{
	static const uint8_t inner_src[6] = { 0x02, 0x73, 0x68, 0x75, 0x6e, 0x00 };

	if (!tunnel->vni)
		return;
	sp->dir[0].wraps = addr_is_v4(&tunnel->host) ? WRAP_V4 : WRAP_V6;
	sp->tunnel.vni = tunnel->vni;
	memcpy(sp->tunnel.vtep, tunnel->host.ip, sizeof(sp->tunnel.vtep));
	memcpy(sp->tunnel.inner_dst, tunnel->mac, sizeof(sp->tunnel.inner_dst));
	memcpy(sp->tunnel.inner_src, inner_src, sizeof(inner_src));
}

static void record_set(struct flow_record *record, const struct flow_line *line)
{
	struct splice *sp = &record->splice;

	memset(record, 0, sizeof(*record));
	record->age_ms = line->age_ms;
	sp->state = SPLICE_SPLICED;
	sp->flags = line->timestamps ? SPLICE_TIMESTAMPS : 0;
	sp->session = line->session;
	sp->idle_ms = line->idle_ms;
	sp->most_ms = line->most_ms;
	memcpy(sp->name, line->upstream, sizeof(sp->name));
	for (int i = 0; i < 2; i++) {
		sp->dir[i] = line->dir[i];
		sp->dir[i].ack_delta = -line->dir[!i].seq_delta;
		sp->dir[i].tsecr_delta = -line->dir[!i].ts_delta;
	}
	sp->dir[0].out = key_of(&line->source, &line->endpoint);
	sp->dir[1].out = key_of(&line->vip, &line->client);
	tunnel_set(sp, &line->tunnel);
	record->rate = (struct splice_rate){ .owner = line->rate.owner,
					     .all = line->rate.all,
					     .source = line->rate.source };
	sp->over_rate[0] = line->rate.over_client;
	sp->over_rate[1] = line->rate.over_endpoint;
}

/* What no programs could have recorded is a slip of somebody's editor. */
static bool is_sound(const struct flow_line *line, uint32_t number, struct err *err)
{
	static const char *const ends[2] = { "from_client", "from_endpoint" };
	bool v4 = addr_is_v4(&line->client);

	if (addr_is_v4(&line->vip) != v4 || addr_is_v4(&line->source) != v4 ||
	    addr_is_v4(&line->endpoint) != v4)
		return err_set(err,
			       "line %u: \"client\", \"vip\", \"source\" and \"endpoint\" are not "
			       "of one family",
			       number);
	for (int i = 0; i < 2; i++) {
		const struct splice_dir *x = &line->dir[i], *y = &line->dir[!i];
		uint32_t sent = x->max_seq + x->seq_delta;

		if ((int32_t)(sent - y->drain) < 0)
			sent = y->drain;
		if ((int32_t)(sent - y->max_ack) < 0)
			return err_set(err,
				       "line %u: \"%s.max_ack\" acknowledges what was never sent",
				       number, ends[!i]);
		if (!x->fin && x->fin_seq)
			return err_set(err, "line %u: \"%s.fin_seq\" without \"fin\"", number,
				       ends[i]);
	}
	return true;
}

bool flow_reader_next(struct flow_reader *r, struct flow_record *out_record, struct err *err)
{
	struct flow_line line = { 0 };

	if (r->read == r->head.flows && r->rest.len > 0)
		return err_set(err, "line %u: the head says %u flows, and here is more",
			       r->line + 1, r->head.flows);
	if (r->read == r->head.flows) {
		err->text[0] = '\0';
		return false;
	}
	if (r->rest.len == 0)
		return err_set(err, "line %u: the head says %u flows, and the file ends after %u",
			       r->line, r->head.flows, r->read);
	if (!line_take(r, err) || !line_read(r->line, r->last, flow_line_fields, &line, err) ||
	    !is_sound(&line, r->line, err))
		return false;
	record_set(out_record, &line);
	r->read++;
	return true;
}
