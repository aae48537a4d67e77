/* health: of upstreams: how it is found out which endpoints are fit for use. */
#include <stdio.h>
#include <string.h>

#include "userspace/config/schema.h"
#include "userspace/http/message.h"
#include "userspace/model/model_parts.h"

enum {
	INTERVAL_MS_MIN = 100,
	INTERVAL_MS_MAX = 3600000,
	TIMEOUT_MS_MAX = 60000,
	DAMPING_MS_MAX = 86400000,
	TURNS_MAX = 100,
	DAYS_MAX = 365,
	REQUEST_ROOM = 512, /* for what is ours in a request */
	STATUS_FIRST = 100,
	STATUS_LAST = 599,
	BYTES_MAX = 1024
};

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = span_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "hex:12340100", as text cannot have every byte; else the text itself. */
static void read_bytes(struct reading *r, const struct key *key, const struct yaml *value,
		       void *into)
{
	struct span *out = into;
	const char *text = NULL;
	uint8_t *bytes;
	size_t len;

	read_text(r, key, value, &text);
	if (!text)
		return;
	*out = span_of(text);
	if (strncmp(text, "hex:", 4) != 0)
		return;
	text += 4;
	len = strlen(text);
	bytes = arena_take(r->arena, len / 2 + 1);
	for (size_t i = 0; i < len; i++) {
		int digit = hex_digit(text[i]);

		if (digit < 0 || len % 2) {
			finding(r, value->at,
				"expected pairs of hexadecimal digits behind \"hex:\" for \"%s\"",
				key->name);
			return;
		}
		bytes[i / 2] = (uint8_t)(bytes[i / 2] << 4 | digit);
	}
	*out = span_make(bytes, len / 2);
}

const struct key health_udp_keys[] = {
	{ "send", read_bytes, offsetof(struct health, send), 0, BYTES_MAX, true },
	{ "expect", read_bytes, offsetof(struct health, answer), 0, BYTES_MAX },
	{ 0 },
};

static void read_udp(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	struct health *health = into;

	(void)key;
	health->kinds |= 1u << HEALTH_UDP;
	schema_read(r, health_udp_keys, value, health);
}

static void read_tcp(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	static const char *const names[] = { "true", NULL };

	if (word_of(r, key, value, names) == 0)
		((struct health *)into)->kinds |= 1u << HEALTH_TCP;
}

static bool is_target(const char *path)
{
	if (path[0] != '/')
		return false;
	for (; *path; path++)
		if (*path <= ' ' || *path >= 0x7f || *path == '#')
			return false;
	return true;
}

static void read_http(struct reading *r, const struct key *key, const struct yaml *value,
		      void *into)
{
	struct health *health = into;
	const char *path = NULL;

	health->kinds |= 1u << HEALTH_HTTP;
	read_text(r, key, value, &path);
	if (path && !is_target(path))
		finding(r, value->at, "expected a path such as /healthz for \"http\", found \"%s\"",
			path);
	else if (path)
		health->path = path;
}

static void read_host(struct reading *r, const struct key *key, const struct yaml *value,
		      void *into)
{
	const char *host = NULL;

	read_text(r, key, value, &host);
	for (const char *at = host; at && *at; at++)
		if (*at <= ' ' || *at >= 0x7f || strchr("/?#@\\", *at)) {
			finding(r, value->at, "expected a host such as example.com for \"host\"");
			return;
		}
	if (host)
		*(const char **)into = host;
}

static void read_method(struct reading *r, const struct key *key, const struct yaml *value,
			void *into)
{
	const char *method = NULL;

	read_text(r, key, value, &method);
	if (method && (!*method || !span_is_all(span_of(method), BYTE_TOKEN) ||
		       message_method(span_of(method)) == METHOD_CONNECT))
		finding(r, value->at, "expected a method such as GET for \"method\", found \"%s\"",
			method);
	else if (method)
		*(const char **)into = method;
}

static void read_fields(struct reading *r, const struct key *key, const struct yaml *value,
			void *into)
{
	struct health *health = into;

	(void)key;
	if (!schema_is(r, value, YAML_MAP, "a map of fields and texts"))
		return;
	if (value->count > HEALTH_FIELDS_MAX) {
		finding(r, value->at, "expected at most %d fields", HEALTH_FIELDS_MAX);
		return;
	}
	health->fields = arena_take(r->arena, value->count * sizeof(health->fields[0]));
	for (const struct yaml *v = value->first; v; v = v->next)
		if (!is_field_value(v))
			finding(r, v->at, "expected the value of a field, found %s",
				schema_found(v));
		else if (!may_set_field(v->key))
			finding(r, v->key_at, "the field \"%s\" is not one that a check may say%s",
				v->key,
				field_identify(span_of(v->key)) == FIELD_HOST ? ": use \"host\""
									      : "");
		else
			health->fields[health->field_count++] =
				(struct health_field){ v->key, v->text };
}

/* "true": as the upstream does; "false"; or a map of its own. */
static void read_tls(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	struct health *health = into;

	health->tls_given = true;
	if (value->kind == YAML_MAP)
		read_upstream_tls(r, key, value, &health->tls);
	else
		read_bool(r, key, value, &health->tls.used);
}

static bool status_parse(const char *text, struct status_range *out_range)
{
	unsigned first, last;
	char end;

	if (sscanf(text, "%3u-%3u%c", &first, &last, &end) != 2) {
		if (sscanf(text, "%3u%c", &first, &end) != 1)
			return false;
		last = first;
	}
	*out_range = (struct status_range){ (uint16_t)first, (uint16_t)last };
	return first >= STATUS_FIRST && first <= last && last <= STATUS_LAST;
}

static void read_statuses(struct reading *r, const struct key *key, const struct yaml *value,
			  void *into)
{
	struct health *health = into;

	(void)key;
	if (!schema_is(r, value, YAML_LIST, "a list of statuses such as [200, \"300-399\"]"))
		return;
	health->status_count = 0;
	for (const struct yaml *v = value->first; v; v = v->next) {
		if (health->status_count == HEALTH_STATUSES_MAX)
			finding(r, v->at, "expected at most %d statuses", HEALTH_STATUSES_MAX);
		else if (v->kind == YAML_TEXT &&
			 status_parse(v->text, &health->statuses[health->status_count]))
			health->status_count++;
		else
			finding(r, v->at,
				"expected a status of 100 to 599, or a range such as \"200-299\", "
				"found %s",
				schema_found(v));
	}
}

const struct key health_expect_keys[] = {
	{ "status", read_statuses },
	{ "body", read_bytes, offsetof(struct health, body), 0, BYTES_MAX },
	{ 0 },
};

static void read_expect(struct reading *r, const struct key *key, const struct yaml *value,
			void *into)
{
	((struct health *)into)->expects = true;
	(void)key;
	schema_read(r, health_expect_keys, value, into);
}

const struct key health_keys[] = {
	{ "tcp", read_tcp },
	{ "udp", read_udp },
	{ "http", read_http },
	{ "method", read_method, offsetof(struct health, method) },
	{ "host", read_host, offsetof(struct health, host) },
	{ "headers", read_fields },
	{ "tls", read_tls },
	{ "valid_days", read_number, offsetof(struct health, valid_days), 1, DAYS_MAX },
	{ "port", read_number, offsetof(struct health, port), 1, UINT16_MAX },
	{ "expect", read_expect },
	{ "interval", read_duration, offsetof(struct health, interval_ms), INTERVAL_MS_MIN,
	  INTERVAL_MS_MAX },
	{ "fast_interval", read_duration, offsetof(struct health, fast_interval_ms),
	  INTERVAL_MS_MIN, INTERVAL_MS_MAX },
	{ "timeout", read_duration, offsetof(struct health, timeout_ms), 1, TIMEOUT_MS_MAX },
	{ "rise", read_number, offsetof(struct health, rise), 1, TURNS_MAX },
	{ "fall", read_number, offsetof(struct health, fall), 1, TURNS_MAX },
	{ "damping", read_duration, offsetof(struct health, damping_ms), 0, DAMPING_MS_MAX },
	{ "mtu", read_bool, offsetof(struct health, mtu) },
	{ 0 },
};

static const struct health default_health = {
	.interval_ms = 2000,
	.timeout_ms = 1000,
	.rise = 2,
	.fall = 3,
	.mtu = true,
	.method = "GET",
	.statuses = { { 200, 399 } },
	.status_count = 1,
};

static bool is_one(uint32_t bits)
{
	return bits && !(bits & (bits - 1));
}

/* What is only for checks over HTTP, or over TLS. */
static void check_parts(struct reading *r, const struct yaml *value, const struct health *health)
{
	static const char *const of_http[] = { "expect", "host", "method", "headers" };
	size_t bytes = health->path ? strlen(health->path) : 0;

	for (size_t i = 0; i < sizeof(of_http) / sizeof(of_http[0]); i++)
		if (yaml_get(value, of_http[i]) && health->kinds != 1u << HEALTH_HTTP)
			finding(r, value->at, "\"%s\" of a health check is only for \"http\"",
				of_http[i]);
	if (health->tls_given && health->kinds == 1u << HEALTH_UDP)
		finding(r, value->at, "\"tls\" of a health check is not for \"udp\"");
	for (uint32_t i = 0; i < health->field_count; i++)
		bytes += strlen(health->fields[i].name) + strlen(health->fields[i].value) + 4;
	if (bytes > HEALTH_REQUEST_MAX - REQUEST_ROOM)
		finding(r, value->at,
			"path and headers of a health check have %zu bytes, expected at most %d",
			bytes, HEALTH_REQUEST_MAX - REQUEST_ROOM);
	if (health->fast_interval_ms > health->interval_ms)
		finding(r, value->at,
			"\"fast_interval\" of a health check is longer than \"interval\", which is "
			"%u ms",
			health->interval_ms);
}

void read_health(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	struct health *health = into;

	(void)key;
	*health = default_health;
	schema_read(r, health_keys, value, health);
	if (value->kind != YAML_MAP)
		return;
	if (!health->kinds && health->tls.used)
		health->kinds = 1u << HEALTH_TCP; /* a handshake and no more */
	if (!yaml_get(value, "timeout") && health->timeout_ms > health->interval_ms)
		health->timeout_ms = health->interval_ms;
	if (!is_one(health->kinds))
		finding(r, value->at,
			"a health check needs one of \"tcp\", \"udp\", \"http\" and \"tls\"");
	if (health->timeout_ms > health->interval_ms)
		finding(r, value->at,
			"\"timeout\" of a health check is longer than \"interval\", which is %u ms",
			health->interval_ms);
	check_parts(r, value, health);
	for (int kind = HEALTH_TCP; kind <= HEALTH_HTTP; kind++)
		if (health->kinds == 1u << kind)
			health->kind = (enum health_kind)kind;
}

void settle_health(struct reading *r, struct upstream *u)
{
	struct health *health = &u->health;
	bool alike = health->tls.used && !health->tls.name && !health->tls.skip_verify;

	if (!health->tls_given)
		alike = health->kind == HEALTH_HTTP && u->tls.used && !health->port;
	if (alike && !u->tls.used)
		finding(r, u->at,
			"\"tls: true\" of the health check of \"%s\" is as \"tls\" of the upstream "
			"says, "
			"which has none: write a map such as { name: www.example.com }",
			u->name);
	else if (alike)
		health->tls = u->tls;
	if (health->valid_days && !health->tls.used)
		finding(r, u->at, "\"valid_days\" of the health check of \"%s\" is only for TLS",
			u->name);
}
