#include "userspace/proxy/admission.h"

#include "userspace/proxy/occupancy.h"

enum { SHED_LEAST = 8 };

/* Above what a listener takes, room for those who are told so. */
static uint32_t with_reserve(uint32_t connections)
{
	uint32_t reserve = connections / 16;

	return connections + (reserve < SHED_LEAST ? SHED_LEAST : reserve);
}

bool proxy_may_accept(struct proxy *proxy, uint32_t listener_index)
{
	const struct listener *l = proxy->snapshot->listeners[listener_index];
	bool room = occupancy_of_process() < proxy->options.ceilings.sessions_hard;

	if (room && l->connections)
		room = occupancy_of_listener(l) < with_reserve(l->connections);
	if (room && l->protocol == LISTENER_HTTPS)
		room = proxy->handshakes < proxy->options.ceilings.handshakes;
	if (!room)
		stat_add(&proxy->options.stats->accept_waits, 1);
	return room;
}

/*
 * No new requests then; running exchanges may take what is left. One whose peer takes nothing comes
 * to hold two blocks, but later than it is let in: so they are counted as well.
 */
static bool is_short_of_blocks(const struct proxy *proxy)
{
	const struct block_pool *blocks = &proxy->blocks;

	return blocks->taken >= blocks->taken_max - blocks->taken_max / 4 ||
	       proxy->forwarding >= blocks->taken_max / 3;
}

bool admission_is_over(const struct proxy *proxy, const struct listener *listener)
{
	return occupancy_of_process() >= proxy->options.ceilings.sessions ||
	       (listener->connections &&
		occupancy_of_listener(listener) >= listener->connections) ||
	       is_short_of_blocks(proxy);
}

bool admission_turns_away(const struct proxy *proxy, const struct listener *listener, bool over)
{
	return proxy->draining || (over && listener->protocol != LISTENER_HTTP) ||
	       occupancy_of_process() >= proxy->options.ceilings.sessions_hard;
}

bool admission_refuses(struct session *s)
{
	bool whole = s->ex.request_done;

	if (!s->shed && !is_short_of_blocks(s->proxy))
		return false;
	stat_add(&session_stats(s)->requests_shed, 1);
	s->ex.client_keep = s->ex.client_keep && !s->shed;
	exchange_reply(s, 503, END_OVERLOADED);
	/* All was read, so no reset eats the answer: the place is for the next one in the queue. */
	if (s->shed && whole && s->state == SESSION_DRAINING && session_flush(s, CLIENT) &&
	    buf_len(&s->out[CLIENT]) == 0)
		session_close(s);
	return true;
}

/*
 * Whoever already has bytes waiting gets no more of them when blocks become few, so that everybody
 * who is at work has one; the last ones are for heads and for our own answers.
 */
bool admission_may_read(const struct session *s, enum side from)
{
	const struct block_pool *blocks = &s->proxy->blocks;
	bool bulk = s->state == SESSION_FORWARDING || s->state == SESSION_TUNNEL;

	if (bulk && s->out[!from].block && blocks->taken >= blocks->taken_max / 2)
		return false;
	return blocks->taken < blocks->taken_max - (bulk ? blocks->taken_max / 16 : 0);
}

bool admission_waits_for_block(const struct session *s)
{
	const struct block_pool *blocks = &s->proxy->blocks;

	for (int side = 0; side < 2; side++) {
		if (!s->ends[side] || s->out[!side].block)
			continue; /* goes on when that has left */
		if (s->in[side].block ? blocks->taken >= blocks->taken_max
				      : s->readable[side] && !admission_may_read(s, side))
			return true;
	}
	return false;
}
