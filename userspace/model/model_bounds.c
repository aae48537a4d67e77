/* What an exchange may cost at most: timeouts: of routes, queue:, breaker: and eject: of
 * upstreams. */
#include "userspace/model/model_parts.h"

enum {
	QUEUE_MOST = 65536,
	ACTIVE_MOST = 1000000,
	LEAST_MOST = 100000,
	WINDOW_MS_MAX = 600000,
	AWAY_MS_MAX = 3600000,
	CONNECT_MS_MAX = 60000,
	HEAD_MS_MAX = 3600000,
	STAGE_MS_MAX = 86400000
};

const struct key route_timeout_keys[] = {
	{ "connect", read_duration, offsetof(struct route_timeouts, connect_ms), 1,
	  CONNECT_MS_MAX },
	{ "head", read_duration, offsetof(struct route_timeouts, head_ms), 1, HEAD_MS_MAX },
	{ "idle", read_duration, offsetof(struct route_timeouts, idle_ms), 1, STAGE_MS_MAX },
	{ "request", read_duration, offsetof(struct route_timeouts, request_ms), 1, STAGE_MS_MAX },
	{ "total", read_duration, offsetof(struct route_timeouts, total_ms), 1, STAGE_MS_MAX },
	{ 0 },
};

/* Of a route: made by whichever key comes first. */
static struct route_timeouts *timeouts_of(struct reading *r, void *into)
{
	struct route_timeouts **at = into;

	if (!*at)
		*at = arena_take(r->arena, sizeof(**at));
	return *at;
}

static void said_twice(struct reading *r, const struct yaml *value)
{
	finding(r, value->at,
		"\"timeout\" says the same as \"head\" of \"timeouts\": expected one of "
		"them");
}

void read_route_timeout(struct reading *r, const struct key *key, const struct yaml *value,
			void *into)
{
	struct route_timeouts *timeouts = timeouts_of(r, into);
	struct key head = { key->name, read_duration, 0, 1, HEAD_MS_MAX };
	bool twice = timeouts->head_ms > 0;

	read_duration(r, &head, value, &timeouts->head_ms);
	if (twice)
		said_twice(r, value);
}

/* Waiting for a part for longer than for the whole is never what was meant. */
static void check_total(struct reading *r, const struct yaml *value,
			const struct route_timeouts *timeouts)
{
	const struct {
		const char *name;
		uint32_t ms;
	} parts[] = {
		{ "connect", timeouts->connect_ms },
		{ "head", timeouts->head_ms },
		{ "request", timeouts->request_ms },
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (timeouts->total_ms > 0 && parts[i].ms > timeouts->total_ms)
			finding(r, value->at,
				"\"%s\" of a route's timeouts is longer than \"total\", which "
				"is %u ms: it would never be over",
				parts[i].name, timeouts->total_ms);
}

void read_route_timeouts(struct reading *r, const struct key *key, const struct yaml *value,
			 void *into)
{
	struct route_timeouts *timeouts = timeouts_of(r, into);
	bool before = timeouts->head_ms > 0;

	(void)key;
	schema_read(r, route_timeout_keys, value, timeouts);
	if (before && yaml_get(value, "head"))
		said_twice(r, value);
	check_total(r, value, timeouts);
}

static void read_half_closed(struct reading *r, const struct key *key, const struct yaml *value,
			     void *into)
{
	static const char *const names[] = { "waits", "leaves", NULL };
	uint32_t word = word_of(r, key, value, names);

	if (word != UINT32_MAX)
		*(bool *)into = word == 1;
}

const struct key queue_keys[] = {
	{ "size", read_number, offsetof(struct queue, size), 1, QUEUE_MOST, true },
	{ "timeout", read_duration, offsetof(struct queue, timeout_ms), 1, CONNECT_MS_MAX },
	{ "half_closed", read_half_closed, offsetof(struct queue, finished_leaves) },
	{ 0 },
};

void read_queue(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	struct queue *queue = into;

	(void)key;
	*queue = (struct queue){ .timeout_ms = 1000 };
	schema_read(r, queue_keys, value, queue);
}

static void check_hash(struct reading *r, const struct yaml *value, const struct upstream *u)
{
	if (yaml_get(value, "hash_on") && u->balance != BALANCE_MAGLEV)
		finding(r, yaml_get(value, "hash_on")->at,
			"\"hash_on\" is of use only with \"balance: maglev\", or within "
			"\"persistence\"");
}

static void check_zones(struct reading *r, const struct yaml *value, const struct upstream *u)
{
	const struct node *node = &building_of(r)->model->node;

	if (yaml_get(value, "overprovision") && !u->own_zone_first)
		finding(r, yaml_get(value, "overprovision")->at,
			"\"overprovision\" is of use only with \"zones: own_first\"");
	if (u->own_zone_first && !node->zone)
		finding(r, yaml_get(value, "zones")->at,
			"\"zones: own_first\" needs \"zone\" of \"node\": which one is its own");
}

void build_bounds(struct reading *r, const struct yaml *value, const struct upstream *upstream)
{
	bool bounded = false;

	check_hash(r, value, upstream);
	check_zones(r, value, upstream);
	for (uint32_t i = 0; i < upstream->endpoint_count; i++)
		bounded = bounded || upstream->endpoints[i].max_requests > 0 ||
			  upstream->endpoints[i].max_connections > 0;
	if (upstream->queue.size > 0 && upstream->endpoint_count > 0 && !bounded)
		finding(r, yaml_get(value, "queue")->at,
			"nobody ever waits in \"queue\": no endpoint has \"max_requests\" or "
			"\"max_connections\"; give them one, or remove \"queue\"");
}

const struct key eject_keys[] = {
	{ "failures", read_number, offsetof(struct eject, failures), 1, 1000 },
	{ "rate", read_number, offsetof(struct eject, rate), 1, 100 },
	{ "slow", read_number, offsetof(struct eject, slow), 2, 100 },
	{ "window", read_duration, offsetof(struct eject, window_ms), 100, WINDOW_MS_MAX },
	{ "least", read_number, offsetof(struct eject, least), 1, LEAST_MOST },
	{ "time", read_duration, offsetof(struct eject, time_ms), 100, AWAY_MS_MAX },
	{ "most", read_number, offsetof(struct eject, most_percent), 0, 100 },
	{ 0 },
};

void read_eject(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	struct eject *eject = into;

	(void)key;
	*eject = (struct eject){
		.time_ms = 10000, .most_percent = 50, .window_ms = 10000, .least = 20
	};
	schema_read(r, eject_keys, value, eject);
	if (value->kind == YAML_MAP && !eject->failures && !eject->rate && !eject->slow)
		finding(r, value->at,
			"expected one of failures, rate, slow in \"eject\", found none");
}

const struct key breaker_keys[] = {
	{ "active", read_number, offsetof(struct breaker_rules, active), 1, ACTIVE_MOST },
	{ "pending", read_number, offsetof(struct breaker_rules, pending), 1, ACTIVE_MOST },
	{ "failed", read_number, offsetof(struct breaker_rules, failed_percent), 1, 100 },
	{ "window", read_duration, offsetof(struct breaker_rules, window_ms), 100, WINDOW_MS_MAX },
	{ "least", read_number, offsetof(struct breaker_rules, least), 1, LEAST_MOST },
	{ "time", read_duration, offsetof(struct breaker_rules, time_ms), 100, AWAY_MS_MAX },
	{ "trials", read_number, offsetof(struct breaker_rules, trials), 1, 1000 },
	{ 0 },
};

void read_breaker(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	struct breaker_rules *rules = into;

	(void)key;
	*rules = (struct breaker_rules){
		.window_ms = 10000, .least = 20, .time_ms = 5000, .trials = 3
	};
	schema_read(r, breaker_keys, value, rules);
	if (value->kind == YAML_MAP && !rules->active && !rules->pending && !rules->failed_percent)
		finding(r, value->at,
			"expected one of active, pending, failed in \"breaker\", found none");
}

/* Its name may be written further down: build_failovers looks for it. */
void read_failover(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	(void)into;
	if (value->kind != YAML_TEXT)
		finding(r, value->at, "expected the name of an upstream for \"%s\", found %s",
			key->name, schema_found(value));
}

void read_zones(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	static const char *const names[] = { "any", "own_first", NULL };
	uint32_t word = word_of(r, key, value, names);

	if (word != UINT32_MAX)
		*(bool *)into = word == 1;
}

static void check_chain(struct building *b, const struct upstream *u, struct place at)
{
	const struct upstream *next = u->failover;

	for (int i = 1; next; i++, next = next->failover) {
		if (next == u) {
			finding(&b->reading, at,
				"\"failover\" of upstream \"%s\" leads back to it; the last one "
				"has none",
				u->name);
			return;
		}
		if (i > FAILOVER_MAX) {
			finding(&b->reading, at,
				"more than %d upstreams stand in for one another here",
				FAILOVER_MAX);
			return;
		}
	}
}

void build_failovers(struct building *b, const struct yaml *section)
{
	struct upstream *u = b->model->upstreams;
	const struct yaml *name;

	for (const struct yaml *v = section->first; v; v = v->next, u++) {
		name = v->kind == YAML_MAP ? yaml_get(v, "failover") : NULL;
		if (name && name->kind == YAML_TEXT)
			u->failover = building_upstream(b, name);
	}
	u = b->model->upstreams;
	for (const struct yaml *v = section->first; v; v = v->next, u++)
		if (u->failover)
			check_chain(b, u, yaml_get(v, "failover")->at);
}
