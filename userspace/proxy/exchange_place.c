/* Which endpoint an exchange is with, and what of a request decides that. */
#include <xxhash.h>

#include "userspace/base/log.h"
#include "userspace/proxy/session.h"

enum { RACES_MAX = 8 /* with other workers for the last place at an endpoint */ };

/* The value of a cookie (RFC 6265, 5.4), of all fields; at is NULL where there is none. */
static struct span cookie_of(const struct message *msg, struct span name)
{
	const struct field *f = message_find(msg, SPAN("cookie"));

	for (; f; f = message_find_next(msg, f)) {
		struct span rest = f->value;

		while (rest.len > 0) {
			const char *end = memchr(rest.at, ';', rest.len);
			struct span pair =
				span_make(rest.at, end ? (size_t)(end - rest.at) : rest.len);

			rest = span_after(rest, pair.len + (end ? 1 : 0));
			while (pair.len > 0 && (pair.at[0] == ' ' || pair.at[0] == '\t'))
				pair = span_after(pair, 1);
			if (span_has_prefix(pair, name) && pair.len > name.len &&
			    pair.at[name.len] == '=')
				return span_after(pair, name.len + 1);
		}
	}
	return (struct span){ 0 };
}

/* The first value of that parameter, as it was written. */
static struct span query_of(struct span query, struct span name)
{
	while (query.len > 0) {
		const char *end = memchr(query.at, '&', query.len);
		struct span pair = span_make(query.at, end ? (size_t)(end - query.at) : query.len);

		query = span_after(query, pair.len + (end ? 1 : 0));
		if (span_has_prefix(pair, name) && pair.len > name.len && pair.at[name.len] == '=')
			return span_after(pair, name.len + 1);
	}
	return (struct span){ 0 };
}

static struct span key_of(const struct request_key *key, const struct message *msg,
			  struct span path)
{
	switch (key->kind) {
	case KEY_HEADER:
		return message_value(msg, span_of(key->name));
	case KEY_COOKIE:
		return cookie_of(msg, span_of(key->name));
	case KEY_QUERY:
		return query_of(msg->query, span_of(key->name));
	case KEY_PATH:
		return path;
	default:
		return (struct span){ 0 };
	}
}

/* False where the request has no such thing. */
static bool hash_of(const struct recall *by, const struct request_key *key,
		    const struct message *msg, struct span path)
{
	uint64_t seed = by->snapshot->model->node.hash_seed;
	struct span value = { 0 };

	if (key->kind == KEY_CLIENT) {
		by->ex->hash = XXH3_64bits_withSeed(by->client->ip, sizeof(by->client->ip), seed);
		return true;
	}
	if (key->kind == KEY_TLS_SESSION && by->secured_as)
		value = span_make(&by->secured_as, sizeof(uint64_t));
	else if (msg)
		value = key_of(key, msg, path);
	if (value.at)
		by->ex->hash = XXH3_64bits_withSeed(value.at, value.len, seed);
	return value.at;
}

struct recall exchange_recall_by(struct session *s, const struct upstream *upstream)
{
	return (struct recall){ s->snapshot,       upstream,
				&s->client,        s->ends[CLIENT]->secured_as,
				&s->proxy->chance, &s->ex };
}

void exchange_hash(const struct recall *by, const struct message *msg, struct span path)
{
	const struct persistence *p = &by->upstream->persistence;

	by->ex->keyed = p->kind == PERSISTENCE_HASH && hash_of(by, &p->hash_on, msg, path);
	/* Requests without the key have nothing in common. */
	by->ex->keyless = !by->ex->keyed && by->upstream->balance == BALANCE_MAGLEV &&
			  !hash_of(by, &by->upstream->hash_on, msg, path);
	if (by->ex->keyless)
		by->ex->hash = balance_mix(by->chance);
}

void exchange_failed(struct session *s)
{
	const struct exchange *ex = &s->ex;
	uint64_t now_ms = loop_now_ms(s->proxy->options.loop);

	/* What is cut after a bad status has been counted already. */
	if (!ex->entered || (ex->response_begun && !ex->good))
		return;
	if (ex->good ? roster_cut(ex->roster, ex->place, ex->chosen_ms, now_ms)
		     : roster_failed(ex->roster, ex->place, ex->chosen_ms, now_ms)) {
		stat_add(&session_stats(s)->endpoints_ejected, 1);
		LOG_OFTEN(LOG_WARNING,
			  "endpoint %s of upstream %s is ejected: it failed %u times in a row",
			  addr_print(&ex->endpoint->address).text, ex->upstream->name,
			  ex->upstream->eject.failures);
	}
	exchange_note_result(s, ex->good ? RESULT_CUT : RESULT_BAD);
	s->ex.good = false;
}

/* 501 and 505 say something of the request, the others that the endpoint cannot. */
void exchange_judge(struct session *s, uint16_t status)
{
	struct exchange *ex = &s->ex;

	if (status == 500 || (status >= 502 && status <= 504)) {
		exchange_failed(s);
	} else if (ex->entered) {
		roster_answered(ex->roster, ex->place, ex->chosen_ms,
				loop_now_ms(s->proxy->options.loop) - ex->asked_ms);
		exchange_note_result(s, RESULT_GOOD);
		ex->good = true;
		if (status < 200) /* a tunnel begins: there is no more to judge */
			roster_served(ex->roster, ex->place);
	}
}

void exchange_judge_unseen(struct session *s)
{
	struct exchange *ex = &s->ex;

	if (ex->good || !ex->entered)
		return;
	roster_reached(ex->roster, ex->place, ex->chosen_ms);
	exchange_note_result(s, RESULT_GOOD);
}

/* What was claimed and has become no connection. */
static void unclaim(struct session *s)
{
	struct exchange *ex = &s->ex;

	if (ex->claimed)
		tally_leave(&roster_place_tally(ex->roster, ex->place)->connections);
	ex->claimed = false;
}

void exchange_leave(struct session *s)
{
	struct exchange *ex = &s->ex;

	if (!ex->entered)
		return;
	unclaim(s);
	roster_leave(ex->roster, ex->place);
	ex->entered = false;
	wait_lines_freed(roster_tally(ex->roster));
}

static void on_conn_gone(void *context)
{
	struct tally *endpoint = context;

	tally_leave(&endpoint->connections);
	wait_lines_freed(endpoint->of);
	tally_give(endpoint);
}

void exchange_count_conn(struct session *s, struct conn *conn)
{
	struct exchange *ex = &s->ex;
	struct tally *endpoint = roster_place_tally(ex->roster, ex->place);

	if (!ex->claimed)
		tally_enter(&endpoint->connections, 0);
	ex->claimed = false;
	conn->on_gone = on_conn_gone;
	conn->gone_context = tally_ref(endpoint);
}

void exchange_forget(struct session *s)
{
	if (s->ex.good && s->ex.entered && s->ex.response_done)
		roster_served(s->ex.roster, s->ex.place);
	exchange_queue_quit(s);
	exchange_leave(s);
	exchange_quota_leave(s);
	exchange_breaker_end(s);
	if (s->ex.retries > 0)
		roster_retry_end(s->ex.roster);
	roster_give(s->proxy->rosters, s->ex.roster);
	s->ex.roster = NULL;
}

/* Connections of one identity may stand in for another; tenants' addresses are alike. */
static uint64_t identity_of(const struct snapshot *snapshot, const struct upstream *upstream,
			    const struct endpoint *to)
{
	return secure_identity(snapshot, upstream) ^ (uint64_t)(to->vpc ? to->vpc->vni : 0) << 40;
}

uint64_t exchange_identity(const struct session *s, const struct endpoint *to)
{
	return identity_of(s->snapshot, s->ex.upstream, to);
}

/* One that served others. */
static bool may_reuse(const struct idle_ask *ask)
{
	return !ask->tunnels && ask->upstream->proxy_protocol == PROXY_PROTOCOL_NONE;
}

bool exchange_has_idle(const void *context, uint32_t place)
{
	const struct idle_ask *ask = context;
	const struct endpoint *to = &ask->upstream->endpoints[place];

	return may_reuse(ask) && idle_pool_has(ask->idle, &to->address,
					       identity_of(ask->snapshot, ask->upstream, to));
}

static struct idle_ask idle_ask_of(const struct session *s)
{
	return (struct idle_ask){ s->proxy->idle, s->snapshot, s->ex.upstream, s->ex.tunnels };
}

struct conn *exchange_take_idle(struct session *s)
{
	struct idle_ask ask = idle_ask_of(s);
	const struct endpoint *to = s->ex.endpoint;
	struct conn *conn;

	if (!may_reuse(&ask))
		return NULL;
	conn = idle_pool_take(s->proxy->idle, &to->address, exchange_identity(s, to));
	if (!conn)
		return NULL;
	s->ex.reused = true;
	stat_add(&session_stats(s)->asked, s->ex.tries++ == 0);
	exchange_connected(s);
	stat_add(&session_stats(s)->upstream_reused, 1);
	return conn;
}

/* Enters it, with a connection of its own where these are limited. False: others were faster. */
static bool enter(struct session *s, const struct idle_ask *idle, uint32_t place)
{
	struct exchange *ex = &s->ex;
	uint32_t most = ex->upstream->endpoints[place].max_connections;
	bool needs = most > 0 && !exchange_has_idle(idle, place);

	if (!roster_enter(ex->roster, place))
		return false;
	if (needs && !tally_enter(&roster_place_tally(ex->roster, place)->connections, most)) {
		roster_leave(ex->roster, place);
		return false;
	}
	exchange_leave(s); /* where it was before */
	ex->entered = true;
	ex->claimed = needs;
	ex->place = place;
	ex->chosen_ms = loop_now_ms(s->proxy->options.loop);
	return true;
}

/* Who has waited meanwhile: orders that have come hold for whoever has no endpoint yet. */
static void renew_orders(struct session *s)
{
	struct snapshot *now = s->proxy->snapshot, *before = s->snapshot;
	struct exchange *ex = &s->ex;
	struct roster *roster;

	if (now == before || now->model != before->model)
		return;
	roster = roster_take(s->proxy->rosters, now, ex->upstream,
			     loop_now_ms(s->proxy->options.loop));
	roster_give(s->proxy->rosters, ex->roster);
	ex->roster = roster; /* of the same members, so that places stay what they are */
	s->snapshot = snapshot_ref(now);
	snapshot_unref(before);
}

enum roster_answer exchange_choose(struct session *s, const struct upstream *upstream)
{
	struct exchange *ex = &s->ex;
	struct idle_ask idle;
	struct roster_ask ask = { .now_ms = loop_now_ms(s->proxy->options.loop),
				  .random = balance_mix(&s->proxy->chance),
				  .hash = ex->hash,
				  .keyed = ex->keyed,
				  .keeps = ex->keeps,
				  .kept = ex->kept,
				  .tried_count = ex->attempts,
				  .has_idle = exchange_has_idle,
				  .context = &idle,
				  .unfit = exchange_story_unfit(ex) };
	enum roster_answer got;
	uint32_t place;
	int tries = 0;

	renew_orders(s);
	if (!ex->roster)
		ex->roster = roster_take(s->proxy->rosters, s->snapshot, upstream, ask.now_ms);
	idle = idle_ask_of(s);
	memcpy(ask.tried, ex->tried, sizeof(ask.tried));
	do
		got = roster_pick(ex->roster, &ask, &place);
	while (got == ROSTER_FOUND && !enter(s, &idle, place) && ++tries < RACES_MAX);
	if (tries == RACES_MAX)
		got = ROSTER_FULL;
	ex->choice = (uint8_t)got;
	if (got != ROSTER_FOUND)
		return got;
	ex->tried[ex->attempts++] = place;
	ex->endpoint = &upstream->endpoints[place];
	exchange_attempt_begin(s);
	if (upstream->own_zone_first)
		stat_add(roster_place_is_own(ex->roster, place) ? &session_stats(s)->zone_own
								: &session_stats(s)->zone_other,
			 1);
	if (ex->attempts == 1)
		exchange_count_kept(s);
	return got;
}

enum end_reason exchange_nobody(const struct exchange *ex)
{
	static const enum end_reason nobody[] = {
		[ROSTER_EMPTY] = END_NO_ENDPOINT,
		[ROSTER_UNFIT] = END_ENDPOINTS_UNFIT,
		[ROSTER_FULL] = END_ENDPOINTS_FULL,
	};

	/* All are tried who could be: those that are left are down by now. */
	if (ex->choice == ROSTER_EMPTY && ex->attempts > 0)
		return END_ENDPOINTS_UNFIT;
	return nobody[ex->choice];
}
