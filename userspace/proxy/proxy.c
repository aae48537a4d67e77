#include "userspace/proxy/proxy.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "userspace/base/must.h"
#include "userspace/proxy/admission.h"
#include "userspace/proxy/occupancy.h"
#include "userspace/proxy/rest.h"
#include "userspace/proxy/session.h"
#include "userspace/proxy/session_store.h"

enum {
	IDLE_AGE_MS =
		30000, /* below what common servers allow (nginx 75 s, Apache 5 s is found out) */
};

struct proxy *proxy_create(const struct proxy_options *options, struct snapshot *first)
{
	struct proxy *proxy = must_alloc(sizeof(*proxy));
	uint64_t key[2];
	struct idle_limits idle = { PROXY_IDLE_MOST, IDLE_AGE_MS };

	proxy->options = *options;
	proxy->snapshot = snapshot_ref(first);
	proxy->log = access_log_create(options->log);
	MUST(getrandom(key, sizeof(key), 0) == sizeof(key)); /* so few bytes always come whole */
	request_ids_init(&proxy->ids, key);
	proxy->idle = idle_pool_create(options->loop, idle);
	proxy->rosters = rosters_create();
	exchange_queue_init(proxy);
	rosters_renew(proxy->rosters, first, loop_now_ms(options->loop));
	MUST(getrandom(&proxy->chance, sizeof(proxy->chance), 0) == sizeof(proxy->chance));
	deed_ring_init(&proxy->deeds);
	rest_init(proxy);
	secure_init(proxy);
	block_pool_init(&proxy->blocks, options->ceilings.blocks);
	return proxy;
}

void proxy_destroy(struct proxy *proxy)
{
	if (!proxy)
		return;
	proxy_cut(proxy);
	session_store_fini(proxy);
	rest_fini(proxy);
	secure_fini(proxy);
	idle_pool_destroy(proxy->idle);
	block_pool_fini(&proxy->blocks);
	access_notes_fini(&proxy->notes);
	deed_ring_fini(&proxy->deeds);
	access_log_destroy(proxy->log);
	snapshot_unref(proxy->snapshot);
	rosters_destroy(proxy->rosters);
	wait_lines_destroy(proxy->lines);
	free(proxy);
}

/* One that may be asked. */
static bool is_endpoint(const struct addr *to, const void *context)
{
	const struct snapshot *snapshot = context;

	for (uint32_t i = 0; i < snapshot->model->endpoint_count; i++)
		if (addr_is(&snapshot->endpoints[i]->address, to) && !snapshot->orders[i].over)
			return true;
	return false;
}

/* Runs what(s) for every session; it may free it. */
static void each_session(struct proxy *proxy, void (*what)(struct session *s))
{
	struct session *next;

	for (struct session *s = proxy->sessions; s; s = next) {
		next = s->next;
		what(s);
	}
}

static bool is_idle(const struct session *s)
{
	return s->state == SESSION_READING && buf_len(&s->in[CLIENT]) == 0 &&
	       buf_len(&s->out[CLIENT]) == 0;
}

/* One that has not had time to rest; those that are busy follow when their exchange ends. */
static void renew_one(struct session *s)
{
	if (is_idle(s) && !session_renew(s))
		session_close(s);
}

static bool is_same(const struct endpoint *a, const struct endpoint *b)
{
	return addr_is(&a->address, &b->address) &&
	       (a->vpc ? a->vpc->vni : 0) == (b->vpc ? b->vpc->vni : 0);
}

/* The endpoint of an exchange, as it is wanted now. NULL: it is no more there. */
static const struct endpoint_order *order_of(const struct session *s)
{
	const struct snapshot *now = s->proxy->snapshot;
	const struct endpoint *e = s->ex.endpoint;

	for (uint32_t i = 0; i < now->model->upstream_count; i++) {
		const struct upstream *u = &now->model->upstreams[i];

		for (uint32_t k = 0;
		     strcmp(u->name, s->ex.upstream->name) == 0 && k < u->endpoint_count; k++)
			if (is_same(&u->endpoints[k], e))
				return &now->orders[u->endpoints[k].index];
	}
	return NULL;
}

static void end_drained(struct session *s)
{
	bool there = s->ends[SERVER] || (s->ex.waits && s->ex.chosen);
	const struct endpoint_order *order = there ? order_of(s) : NULL;

	if (!order || !order->over)
		return;
	s->held = true;
	exchange_drained(s);
	s->held = false;
	session_run(s);
}

/* At those endpoints whose time to drain is over nothing goes on. */
static void end_all_drained(struct proxy *proxy)
{
	const struct snapshot *now = proxy->snapshot;
	bool any = false;

	for (uint32_t i = 0; i < now->model->endpoint_count; i++)
		any = any || now->orders[i].over;
	if (any)
		each_session(proxy, end_drained);
}

void proxy_set_snapshot(struct proxy *proxy, struct snapshot *snapshot)
{
	struct snapshot *before = proxy->snapshot;

	proxy->snapshot = snapshot_ref(snapshot);
	rosters_renew(proxy->rosters, snapshot, loop_now_ms(proxy->options.loop));
	rest_renew(proxy, before);
	if (before->model != snapshot->model)
		wait_lines_outdate(proxy->lines);
	snapshot_unref(before);
	idle_pool_sift(proxy->idle, is_endpoint, snapshot);
	each_session(proxy, renew_one);
	end_all_drained(proxy);
}

void proxy_limit(struct proxy *proxy, const struct proxy_ceilings *ceilings)
{
	proxy->options.ceilings = *ceilings;
	proxy->blocks.taken_max = ceilings->blocks;
}

static struct session *session_open(struct proxy *proxy, struct conn *client,
				    const struct listener *listener)
{
	struct session *s = session_store_take(proxy);

	if (!s)
		return NULL;
	s->rest = rest_create();
	if (!s->rest) {
		session_store_give(s);
		return NULL;
	}
	s->snapshot = snapshot_ref(proxy->snapshot);
	s->listener = listener;
	s->id = ((uint64_t)proxy->options.worker << 48) | ++proxy->next_id;
	s->ends[CLIENT] = client;
	s->client = client->peer;
	s->idle_from_us = session_now_us(s);
	s->state = SESSION_INTRODUCED;
	exchange_expect(s);
	occupancy_enter(listener);
	proxy->session_count++;
	session_listen(s, CLIENT);
	session_progress(s);
	return s;
}

/* Whether that peer must begin with a PROXY header; from others none is looked for. */
static bool is_introduced(const struct listener *listener, const struct addr *peer)
{
	return network_list_has(&listener->introducers, peer);
}

void proxy_accept(struct proxy *proxy, int fd, uint32_t listener_index, const struct addr *peer)
{
	const struct listener *listener = proxy->snapshot->listeners[listener_index];
	bool over = admission_is_over(proxy, listener);
	struct conn *client;
	struct session *s;

	stat_add(&proxy->options.stats->sessions_opened, 1);
	if (admission_turns_away(proxy, listener, over)) {
		stat_add(&proxy->options.stats->sessions_shed, 1);
		stat_add(&proxy->options.stats->sessions_closed, 1);
		close(fd);
		return;
	}
	client = conn_create(proxy->options.loop, fd, peer);
	if (!client) {
		stat_add(&proxy->options.stats->sessions_closed, 1);
		return;
	}
	if (proxy->options.splicer)
		splicer_note(proxy->options.splicer, client);
	s = session_open(proxy, client, listener);
	if (!s) {
		stat_add(&proxy->options.stats->sessions_closed, 1);
		conn_close(client);
		return;
	}
	s->shed = over;
	s->held = true;
	if (!is_introduced(listener, peer))
		session_begin(s);
	s->held = false;
	s->readable[CLIENT] = true; /* the first bytes are often there already */
	session_run(s);
}

static void drain_one(struct session *s)
{
	if (is_idle(s))
		session_close(s);
}

void proxy_drain(struct proxy *proxy)
{
	proxy->draining = true;
	proxy->patient = false;
	rest_cut(proxy);
	each_session(proxy, drain_one);
}

void proxy_drain_patiently(struct proxy *proxy)
{
	proxy->draining = proxy->patient = true;
}

static void cut_one(struct session *s)
{
	if (is_idle(s))
		session_close(s);
	else
		session_fail(s, END_STOPPED);
}

void proxy_cut(struct proxy *proxy)
{
	proxy->draining = true;
	rest_cut(proxy);
	each_session(proxy, cut_one);
}

uint32_t proxy_sessions(const struct proxy *proxy)
{
	return proxy->session_count;
}
