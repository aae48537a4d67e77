/* Waiting until an endpoint of the upstream has room: in turn, bounded, and for a time only. */
#include "userspace/proxy/session.h"

enum { SIGHT_MS = 250 /* between looks at a client that no watch tells of */ };

static struct session *session_of(struct waiter *waiter)
{
	struct exchange *ex =
		(struct exchange *)((char *)waiter - offsetof(struct exchange, waiter));

	return (struct session *)((char *)ex - offsetof(struct session, ex));
}

bool exchange_is_queued(const struct session *s)
{
	return s->ex.waiter.line != NULL;
}

/* Time in the line is put together, as a retry may wait once more. */
static void leave_line(struct session *s)
{
	struct exchange *ex = &s->ex;
	uint32_t now_us = 0;

	wait_lines_quit(&ex->waiter);
	timer_stop(&s->poll);
	ex->waited_ms += (uint32_t)(loop_now_ms(s->proxy->options.loop) - ex->joined_ms);
	exchange_reached(s, &now_us);
	if (now_us > ex->joined_us)
		ex->times.queued = (ex->times.queued ? ex->times.queued : ex->times.head) +
				   (now_us - ex->joined_us);
}

void exchange_queue_quit(struct session *s)
{
	if (!exchange_is_queued(s))
		return;
	leave_line(s);
	stat_add(&session_stats(s)->queue_left, 1);
}

/* Who has finished may wait for the answer still, as it may anywhere else (RFC 9112, 9.6). */
static bool has_left(const struct session *s, struct conn_sight sight)
{
	bool said_all = s->state != SESSION_FORWARDING || s->ex.request_done;

	return sight.gone || (s->ex.upstream->queue.finished_leaves && sight.finished && said_all);
}

bool exchange_queue_stays(struct session *s)
{
	struct conn *client = s->ends[CLIENT];
	struct conn_sight sight;

	if (!exchange_is_queued(s))
		return true;
	sight = conn_look(client);
	if (has_left(s, sight)) {
		session_fail(s, END_CLIENT_GONE);
		return false;
	}
	if (!client->ops && !sight.spoken)
		s->readable[CLIENT] = false;
	/* Its watch is off where it has said what nobody reads now. */
	if ((sight.spoken || sight.finished) && !ev_is_active(&s->poll.timer))
		timer_start(&s->poll, SIGHT_MS);
	return true;
}

/* Its turn: with an endpoint, or where waiting has become of no use, with an answer. */
static bool on_turn(struct waiter *waiter)
{
	struct session *s = session_of(waiter);
	struct exchange *ex = &s->ex;
	enum roster_answer got;
	bool refused;

	if (has_left(s, conn_look(s->ends[CLIENT]))) {
		session_fail(s, END_CLIENT_GONE);
		return true;
	}
	refused = exchange_breaker_refuses(s);
	got = refused ? ROSTER_UNFIT : exchange_choose(s, ex->upstream);
	if (got == ROSTER_FULL)
		return false;
	leave_line(s);
	s->held = true;
	if (got == ROSTER_FOUND) {
		stat_add(&session_stats(s)->queue_served, 1);
		exchange_placed(s);
		exchange_connect(s);
	} else {
		stat_add(&session_stats(s)->queue_left, 1);
		stat_add(&session_stats(s)->breaker_refused, refused);
		exchange_refuse(s, 503, refused ? END_BREAKER_OPEN : exchange_nobody(ex));
	}
	s->held = false;
	session_run(s);
	return true;
}

/* Somebody waits for room, who may be in a worker that could not use this one. */
bool exchange_queue_wants_conn(const struct session *s)
{
	const struct exchange *ex = &s->ex;

	return ex->endpoint->max_connections > 0 && ex->roster &&
	       wait_lines_is_busy(roster_tally(ex->roster));
}

bool exchange_must_queue(struct session *s)
{
	struct exchange *ex = &s->ex;

	if (ex->upstream->queue.size == 0 || ex->chosen || ex->attempts > 0)
		return false;
	if (!ex->roster)
		ex->roster = roster_take(s->proxy->rosters, s->snapshot, ex->upstream,
					 loop_now_ms(s->proxy->options.loop));
	return wait_lines_is_ahead(roster_tally(ex->roster));
}

bool exchange_may_queue(const struct session *s)
{
	return s->ex.choice == ROSTER_FULL && s->ex.upstream->queue.size > 0;
}

bool exchange_reconnect(struct session *s)
{
	if (session_connect(s, s->ex.upstream))
		return true;
	if (!exchange_may_queue(s))
		return false;
	exchange_queue(s); /* has answered, where nobody more may wait */
	return true;
}

bool exchange_queue(struct session *s)
{
	struct exchange *ex = &s->ex;
	const struct queue *queue = &ex->upstream->queue;

	exchange_leave(s); /* where it has failed: others may be there now */
	ex->waiter.on_turn = on_turn;
	/* One of before the last reload does not know all places. */
	ex->waiter.picky = ex->attempts > 0 || s->snapshot->model != s->proxy->snapshot->model;
	if (!wait_lines_join(s->proxy->lines, roster_tally(ex->roster), queue->size, &ex->waiter)) {
		stat_add(&session_stats(s)->queue_full, 1);
		exchange_refuse(s, 503, END_QUEUE_FULL);
		return false;
	}
	stat_add(&session_stats(s)->queued, 1);
	if (ex->retries > 0 && !ex->retried)
		stat_add(&session_stats(s)->retries_queued, 1);
	ex->joined_ms = loop_now_ms(s->proxy->options.loop);
	ex->joined_us = 0;
	exchange_reached(s, &ex->joined_us);
	session_deadline(s,
			 queue->timeout_ms > ex->waited_ms ? queue->timeout_ms - ex->waited_ms : 0);
	for (uint32_t i = 0; i < ex->upstream->endpoint_count; i++)
		if (ex->upstream->endpoints[i].max_connections > 0) {
			wait_lines_ask();
			break;
		}
	return true;
}

void exchange_queue_time_out(struct session *s)
{
	leave_line(s);
	stat_add(&session_stats(s)->queue_timeouts, 1);
	exchange_refuse(s, 503, END_QUEUE_TIMEOUT);
}

/* Connections that nobody here needs now may be all that keeps others from having one. */
static void on_call(void *context)
{
	struct proxy *proxy = context;

	for (uint32_t i = 0; i < proxy->snapshot->model->upstream_count; i++) {
		const struct upstream *u = &proxy->snapshot->model->upstreams[i];
		struct roster *roster;

		if (u->queue.size == 0)
			continue;
		roster = roster_take(proxy->rosters, proxy->snapshot, u, 0);
		for (uint32_t k = 0;
		     wait_lines_is_busy(roster_tally(roster)) && k < u->endpoint_count; k++)
			if (u->endpoints[k].max_connections > 0 &&
			    roster_place_tally(roster, k)->connections >=
				    u->endpoints[k].max_connections)
				idle_pool_shed(proxy->idle, &u->endpoints[k].address);
		roster_give(proxy->rosters, roster);
	}
}

void exchange_queue_init(struct proxy *proxy)
{
	proxy->lines = wait_lines_create(proxy->options.loop, on_call, proxy);
}
