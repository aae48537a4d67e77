#include "userspace/proxy/explain.h"

#include "userspace/base/clock.h"
#include "userspace/base/must.h"
#include "userspace/proxy/session.h"
#include "userspace/upstream/breaker.h"

enum { ID_BYTES = 32 };

/* The names of requests are told by their length only: nobody knows the next one. */
static const char some_id[] = "00000000000000000000000000000000";

static struct sni_ask hello_of(const struct explain_ask *ask)
{
	struct sni_ask hello = { .name = span_of(ask->sni) };

	MUST(sni_match_offer(&hello, ask->alpn ? span_of(ask->alpn) : SPAN(ALPN_HTTP)));
	return hello;
}

static struct span agreed_on(const struct listener *l, const struct sni_ask *hello)
{
	return l->protocol == LISTENER_HTTPS && hello->protocol_count > 0
		       ? SPAN(ALPN_HTTP)
		       : (struct span){ NULL, 0 };
}

static bool ends_tls(const struct explain_ask *ask)
{
	return ask->listener->protocol == LISTENER_HTTPS;
}

static struct asked asked_of(const struct explain_state *state, const struct explain_ask *ask,
			     struct explained *out)
{
	bool secure = ends_tls(ask);

	return (struct asked){ .listener = ask->listener,
			       .client = ask->has_client ? &ask->client : NULL,
			       .sni = span_of(ask->sni),
			       .alpn = agreed_on(ask->listener, &out->hello),
			       .subject = span_of(ask->subject),
			       .session_id = secure ? ask->session_id : 0,
			       .session_resumed = secure && ask->session_resumed,
			       .id = span_make(some_id, ID_BYTES),
			       .secure = secure,
			       .chance = state->dealt,
			       .trace = &out->trace };
}

static void set_end(struct explained *out, enum end_reason end, uint16_t status)
{
	out->end = end;
	out->status = status;
}

/* What is known before there are sockets. */
static enum splice_reason against_splice(const struct explain_state *state,
					 const struct explain_ask *ask, const struct explained *out,
					 enum splice_policy policy)
{
	const struct endpoint *e = &out->decision.upstream->endpoints[out->place];

	if (policy == SPLICE_OFF)
		return SPLICE_REASON_OFF;
	if (!state->splices)
		return SPLICE_REASON_NO_DATAPLANE;
	if (ask->listener->protocol == LISTENER_HTTPS || out->decision.upstream->tls.used)
		return SPLICE_REASON_TLS;
	return !ask->has_client || addr_is_v4(&ask->client) == addr_is_v4(&e->address)
		       ? SPLICE_REASON_NONE
		       : SPLICE_REASON_FAMILY;
}

static void foresee_splice(const struct explain_state *state, const struct explain_ask *ask,
			   struct explained *out)
{
	const struct route *route = out->decision.route;
	enum splice_policy policy = route ? route->splice : ask->listener->splice;

	out->splice_reason = against_splice(state, ask, out, policy);
	out->full = out->tunnels && out->splice_reason == SPLICE_REASON_NONE;
	out->bodies = !out->tunnels && out->splice_reason == SPLICE_REASON_NONE;
	if (route)
		out->splice_threshold = exchange_splice_threshold(route);
}

/* To whom it goes; ex: what is known of that from the request. */
static void choose(const struct explain_state *state, const struct explain_ask *ask,
		   const struct exchange *ex, struct explained *out)
{
	const struct upstream *u = out->decision.upstream;
	struct roster *r = roster_take(state->rosters, ask->snapshot, u, state->now_ms);
	struct breaker_use breaker = roster_breaker(r, state->now_ms);
	uint64_t chance = state->chance;
	struct idle_ask idle = { state->idle, ask->snapshot, u, out->tunnels };
	struct roster_unfit unfit = { 0 };
	struct roster_ask whom = { .now_ms = state->now_ms,
				   .random = balance_mix(&chance),
				   .hash = ex->hash,
				   .keyed = ex->keyed,
				   .keeps = ex->keeps,
				   .kept = ex->kept,
				   .look = true,
				   .has_idle = state->idle ? exchange_has_idle : NULL,
				   .context = &idle,
				   .unfit = &unfit };

	for (uint32_t i = 0; i < u->endpoint_count && i < EXPLAIN_ENDPOINTS_MAX; i++)
		out->endpoints[out->endpoint_count++] =
			(struct explain_endpoint){ &u->endpoints[i], roster_look(r, i, &whom) };
	out->keyed = ex->keyed;
	out->keyless = ex->keyless;
	out->keeps = ex->keeps;
	out->kept = ex->kept;
	out->foreign = ex->foreign;
	out->asked = true;
	out->answer = roster_pick(r, &whom, &out->place);
	out->any = unfit.any;
	if (out->decision.route && !breaker_may(&breaker)) {
		out->answer = ROSTER_UNFIT;
		set_end(out, END_BREAKER_OPEN, 503);
	} else if (out->answer == ROSTER_FULL && out->decision.route && u->queue.size > 0) {
		out->waits = true;
	} else if (out->answer != ROSTER_FOUND) {
		set_end(out, exchange_nobody(&(struct exchange){ .choice = (uint8_t)out->answer }),
			503);
	} else {
		foresee_splice(state, ask, out);
	}
	roster_give(state->rosters, r);
}

static struct recall recall_of(struct explain_state *state, const struct explain_ask *ask,
			       const struct explained *out, struct exchange *ex)
{
	return (struct recall){ .snapshot = ask->snapshot,
				.upstream = out->decision.upstream,
				.client = &ask->client,
				.secured_as = ends_tls(ask) ? ask->session_id : 0,
				.chance = &state->chance,
				.ex = ex };
}

static bool is_limited(const struct explain_state *state, const struct explain_ask *ask,
		       const struct message *msg, const struct route *route, struct explained *out)
{
	const struct route_limits *limits = route_conduct(route)->limits;
	enum quota_answer answer;
	struct quota_refusal refusal;

	if (!limits)
		return false;
	if (msg->framing == BODY_LENGTH && msg->content_length > limits->body_bytes) {
		set_end(out, END_BODY_LIMIT, 413);
		return true;
	}
	if (!state->live)
		return false;
	answer = quota_look(limits, ask->has_client ? &ask->client : NULL,
			    clock_ns(CLOCK_MONOTONIC));
	if (answer == QUOTA_PASS)
		return false;
	refusal = exchange_quota_refusal(answer);
	set_end(out, refusal.end, refusal.status);
	return true;
}

/* Chance is used up only where there is one. */
static const struct upstream *stand_in(struct explain_state *state, const struct explain_ask *ask,
				       const struct upstream *wanted)
{
	return wanted->failover ? rosters_fail_over(state->rosters, ask->snapshot, wanted,
						    state->now_ms, balance_mix(&state->chance))
				: wanted;
}

static void explain_exchange(const struct explain_state *before, const struct explain_ask *ask,
			     struct message *msg, struct explained *out)
{
	struct rewrite_room texts = { out->texts, sizeof(out->texts) };
	struct explain_state state = *before;
	struct asked asked = asked_of(&state, ask, out);
	struct exchange ex = { .tunnels = msg->upgrade };
	struct decision *d = &out->decision;
	struct recall by;
	struct h1_writer w;

	*d = decide(&asked, msg, out->path, sizeof(out->path));
	out->wanted = d->upstream;
	if (is_limited(&state, ask, msg, d->route, out))
		return;
	if (d->kind != DECIDED_UPSTREAM) {
		set_end(out, exchange_refusal(d->kind), d->status);
		if (d->route && d->route->action == ROUTE_REDIRECT)
			out->location = decide_location(&asked, msg, d, texts);
		return;
	}
	out->tunnels = msg->upgrade || d->route->splice == SPLICE_CONNECTION;
	d->upstream = stand_in(&state, ask, d->upstream);
	by = recall_of(&state, ask, out, &ex);
	exchange_recall(&by, msg, d->path);
	h1_writer_init(&w, out->written, sizeof(out->written));
	if (!decide_head(&asked, msg, d, texts, &w)) {
		set_end(out, END_HEAD_TOO_LARGE, 431);
		return;
	}
	out->head = span_make(w.at, w.len);
	choose(&state, ask, &ex, out);
}

static void explain_http(const struct explain_state *state, const struct explain_ask *ask,
			 struct explained *out)
{
	struct message msg;
	struct h1_parser parser;
	enum h1_reject reject;
	size_t used;

	h1_parser_init(&parser, H1_REQUEST, &decide_limits);
	switch (h1_parser_head(&parser, ask->head, &msg, &used, &reject)) {
	case H1_DONE:
		explain_exchange(state, ask, &msg, out);
		break;
	case H1_REJECT:
		set_end(out, END_BAD_HEAD, h1_reject_status(reject));
		out->detail = h1_reject_text(reject).at;
		break;
	case H1_NEED_MORE:
		set_end(out, END_HEAD_TIMEOUT, 408);
	}
}

static void explain_tunnel(const struct explain_state *before, const struct explain_ask *ask,
			   struct explained *out)
{
	const struct listener *l = ask->listener;
	struct explain_state state = *before;
	struct exchange ex = { 0 };
	struct recall by;

	enum sni_miss miss = SNI_MISS_NONE;

	out->tunnels = true;
	out->wanted = l->upstream;
	if (l->protocol == LISTENER_TLS_PASSTHROUGH) {
		out->entry = sni_match_find(l, &out->hello, &miss);
		out->wanted = out->entry ? out->entry->upstream : NULL;
	}
	if (!out->wanted) {
		set_end(out, miss == SNI_MISS_PROTOCOL ? END_NO_PROTOCOL : END_NO_NAME, 0);
		return;
	}
	out->decision.upstream = stand_in(&state, ask, out->wanted);
	by = recall_of(&state, ask, out, &ex);
	exchange_hash(&by, NULL, (struct span){ 0 });
	choose(&state, ask, &ex, out);
}

void explain(const struct explain_state *state, const struct explain_ask *ask,
	     struct explained *out)
{
	const struct tls_server *server = ask->snapshot->servers[ask->listener->index];

	*out = (struct explained){ .trace = { .tries = out->tries, .room = EXPLAIN_TRIES_MAX } };
	out->hello = hello_of(ask);
	if (server)
		out->certificate = tls_server_certificate(server, ask->sni);
	/* As in the handshake: a client that names protocols, and none of ours, is told so. */
	if (ends_tls(ask) && out->hello.protocol_count > 0 &&
	    !sni_match_offers(&out->hello, SPAN(ALPN_HTTP)))
		set_end(out, END_NO_PROTOCOL, 0);
	else if (ask->listener->routes)
		explain_http(state, ask, out);
	else
		explain_tunnel(state, ask, out);
}

void explain_by(const struct proxy *proxy, const struct explain_ask *ask, struct explained *out)
{
	struct explain_state state = { .rosters = proxy->rosters,
				       .now_ms = loop_now_ms(proxy->options.loop),
				       .chance = proxy->chance,
				       .dealt = proxy->dealt,
				       .splices = proxy->options.splicer != NULL,
				       .live = true,
				       .idle = proxy->idle };

	explain(&state, ask, out);
}
