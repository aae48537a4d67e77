/* limits: of routes. */
#define XXH_INLINE_ALL
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "userspace/model/model_parts.h"
#include "userspace/route/quota.h"

enum { RATE_MOST = 1000000 };
#define BODY_MOST (1ull << 50)

static uint64_t unit_ns(const char *unit)
{
	static const struct {
		const char *name;
		uint64_t seconds;
	} units[] = { { "/s", 1 }, { "/m", 60 }, { "/h", 3600 } };

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(unit, units[i].name) == 0)
			return units[i].seconds * 1000000000u;
	return 0;
}

/* Its number is also how many may come at once, until it is said otherwise. */
static void read_request_rate(struct reading *r, const struct key *key, const struct yaml *value,
			      void *into)
{
	const char *text = value->kind == YAML_TEXT ? value->text : "";
	size_t digits = strspn(text, "0123456789");
	struct request_rate *rate = into;
	uint64_t n = 0, unit = unit_ns(text + digits);
	char number[8] = "";

	if (digits < sizeof(number))
		memcpy(number, text, digits);
	if (!unit || !number_parse(number, RATE_MOST, &n) || n == 0) {
		finding(r, value->at,
			"expected a rate from 1 to %d such as 100/s, 5/m or 1000/h for \"%s\", "
			"found %s",
			RATE_MOST, key->name, schema_found(value));
		return;
	}
	rate->interval_ns = unit / n;
	if (rate->burst == 0)
		rate->burst = (uint32_t)n;
}

const struct key limit_keys[] = {
	{ "body", read_size, offsetof(struct route_limits, body_bytes), 0, BODY_MOST },
	{ "requests", read_number, offsetof(struct route_limits, requests), 1, ROUTE_REQUESTS_MAX },
	{ "requests_per_source", read_number, offsetof(struct route_limits, source_requests), 1,
	  SOURCE_REQUESTS_MAX },
	{ "rate", read_request_rate, offsetof(struct route_limits, rate) },
	{ "burst", read_number, offsetof(struct route_limits, rate.burst), 1, RATE_MOST },
	{ "rate_per_source", read_request_rate, offsetof(struct route_limits, source_rate) },
	{ "burst_per_source", read_number, offsetof(struct route_limits, source_rate.burst), 1,
	  RATE_MOST },
	{ 0 },
};

void read_limits(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	struct route_limits *limits = arena_take(r->arena, sizeof(*limits));

	(void)key;
	limits->body_bytes = UINT64_MAX;
	schema_read(r, limit_keys, value, limits);
	if (limits->rate.burst > 0 && limits->rate.interval_ns == 0)
		finding(r, value->at, "\"burst\" is of use only with \"rate\"");
	if (limits->source_rate.burst > 0 && limits->source_rate.interval_ns == 0)
		finding(r, value->at,
			"\"burst_per_source\" is of use only with \"rate_per_source\"");
	*(struct route_limits **)into = limits;
}

static void give(void *quota)
{
	quota_give(quota);
}

void build_limits(struct building *b, const struct route_table *table, const struct route *route)
{
	struct span name = span_of(route->name), of = span_of(table->name);
	struct route_limits *limits = route_conduct(route)->limits;
	uint64_t hash;

	if (!limits)
		return;
	hash = XXH3_64bits_withSeed(name.at, name.len, XXH3_64bits(of.at, of.len));
	limits->quota = quota_take(hash);
	arena_at_end(b->model->arena, give, limits->quota);
}
