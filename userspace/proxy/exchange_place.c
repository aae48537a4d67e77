/* Which endpoint an exchange is with, and what of a request decides that. */
#include <xxhash.h>

#include "userspace/base/log.h"
#include "userspace/proxy/session.h"

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
static bool hash_of(struct session *s, const struct request_key *key, const struct message *msg,
		    struct span path)
{
	uint64_t seed = s->snapshot->model->node.hash_seed;
	struct span value = { 0 };

	if (key->kind == KEY_CLIENT) {
		s->ex.hash = XXH3_64bits_withSeed(s->client.ip, sizeof(s->client.ip), seed);
		return true;
	}
	if (key->kind == KEY_TLS_SESSION && s->ends[CLIENT]->secured_as)
		value = span_make(&s->ends[CLIENT]->secured_as, sizeof(uint64_t));
	else if (msg)
		value = key_of(key, msg, path);
	if (value.at)
		s->ex.hash = XXH3_64bits_withSeed(value.at, value.len, seed);
	return value.at;
}

void exchange_hash(struct session *s, const struct upstream *upstream, const struct message *msg,
		   struct span path)
{
	const struct persistence *p = &upstream->persistence;

	s->ex.keyed = p->kind == PERSISTENCE_HASH && hash_of(s, &p->hash_on, msg, path);
	/* Requests without the key have nothing in common. */
	if (!s->ex.keyed && upstream->balance == BALANCE_MAGLEV &&
	    !hash_of(s, &upstream->hash_on, msg, path))
		s->ex.hash = balance_mix(&s->proxy->chance);
}

void exchange_failed(struct session *s)
{
	const struct exchange *ex = &s->ex;

	if (!ex->entered ||
	    !roster_failed(ex->roster, ex->place, loop_now_ms(s->proxy->options.loop)))
		return;
	stat_add(&session_stats(s)->endpoints_ejected, 1);
	LOG_OFTEN(LOG_WARNING, "endpoint %s of upstream %s is ejected: it failed %u times in a row",
		  addr_print(&ex->endpoint->address).text, ex->upstream->name,
		  ex->upstream->eject.failures);
}

/* 501 and 505 say something of the request, the others that the endpoint cannot. */
void exchange_judge(struct session *s, uint16_t status)
{
	if (status == 500 || (status >= 502 && status <= 504))
		exchange_failed(s);
	else if (s->ex.entered)
		roster_served(s->ex.roster, s->ex.place);
}

void exchange_leave(struct session *s)
{
	if (s->ex.entered)
		roster_leave(s->ex.roster, s->ex.place);
	s->ex.entered = false;
}

void exchange_forget(struct session *s)
{
	exchange_leave(s);
	if (s->ex.retries > 0)
		roster_retry_end(s->ex.roster);
	roster_give(s->proxy->rosters, s->ex.roster);
	s->ex.roster = NULL;
}

enum roster_answer exchange_choose(struct session *s, const struct upstream *upstream)
{
	struct exchange *ex = &s->ex;
	struct roster_ask ask = { .now_ms = loop_now_ms(s->proxy->options.loop),
				  .random = balance_mix(&s->proxy->chance),
				  .hash = ex->hash,
				  .keyed = ex->keyed,
				  .keeps = ex->keeps,
				  .kept = ex->kept,
				  .tried_count = ex->attempts };
	enum roster_answer got;
	uint32_t place;

	if (!ex->roster)
		ex->roster = roster_take(s->proxy->rosters, s->snapshot, upstream, ask.now_ms);
	memcpy(ask.tried, ex->tried, sizeof(ask.tried));
	got = roster_pick(ex->roster, &ask, &place);
	ex->choice = (uint8_t)got;
	if (got != ROSTER_FOUND)
		return got;
	exchange_leave(s);
	ex->tried[ex->attempts++] = place;
	ex->place = place;
	ex->endpoint = &upstream->endpoints[place];
	roster_enter(ex->roster, place);
	ex->entered = true;
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

	return nobody[ex->choice];
}
