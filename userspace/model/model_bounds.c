/* What an exchange may cost at most: timeouts: of routes, queue: of upstreams. */
#include "userspace/model/model_parts.h"

enum { QUEUE_MOST = 65536, CONNECT_MS_MAX = 60000, HEAD_MS_MAX = 3600000, STAGE_MS_MAX = 86400000 };

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
				"\"%s\" of a route's timeouts is longer than \"total\"",
				parts[i].name);
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

const struct key queue_keys[] = {
	{ "size", read_number, offsetof(struct queue, size), 1, QUEUE_MOST, true },
	{ "timeout", read_duration, offsetof(struct queue, timeout_ms), 1, CONNECT_MS_MAX },
	{ 0 },
};

void read_queue(struct reading *r, const struct key *key, const struct yaml *value, void *into)
{
	struct queue *queue = into;

	(void)key;
	*queue = (struct queue){ .timeout_ms = 1000 };
	schema_read(r, queue_keys, value, queue);
}

void build_bounds(struct reading *r, const struct yaml *value, const struct upstream *upstream)
{
	bool bounded = false;

	for (uint32_t i = 0; i < upstream->endpoint_count; i++)
		bounded = bounded || upstream->endpoints[i].max_requests > 0 ||
			  upstream->endpoints[i].max_connections > 0;
	if (upstream->queue.size > 0 && upstream->endpoint_count > 0 && !bounded)
		finding(r, yaml_get(value, "queue")->at,
			"nobody ever waits in \"queue\": no endpoint has \"max_requests\" or "
			"\"max_connections\"");
}
