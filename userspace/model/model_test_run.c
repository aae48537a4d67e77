/* tests: run, by what decides for workers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/must.h"
#include "userspace/model/model_parts.h"
#include "userspace/route/decide.h"
#include "userspace/route/sni_match.h"

enum { HEAD_BYTES = DECIDE_HEAD_BYTES };

/* One test at one listener; the spans lead into the bytes. */
struct trial {
	const struct expectation *e;
	struct asked asked;
	struct decision decision;
	const struct sni_route *entry; /* that passes it on as it is; NULL: none */
	struct message msg;
	const char *refused; /* the head is none that can be read; NULL: it is */
	uint16_t refused_status;
	struct span location;
	struct message sent; /* as the endpoint gets it */
	bool fits;
	char head[HEAD_BYTES], path[HEAD_BYTES], texts[HEAD_BYTES], written[2 * HEAD_BYTES];
};

/* As a client would send it. False: there is no room. */
static bool compose(struct trial *t, size_t *out_len)
{
	const struct expectation *e = t->e;
	uint16_t usual = strcmp(e->scheme, "https") == 0 ? 443 : 80;
	struct h1_writer w = { t->head, sizeof(t->head), 0 };
	int n = snprintf(w.at, w.cap, "%s %s%s%s HTTP/1.1\r\nHost: %s", e->method, e->path,
			 e->query ? "?" : "", e->query ? e->query : "", e->host);

	if (e->port != usual && n > 0 && (size_t)n < w.cap)
		n += snprintf(w.at + n, w.cap - (size_t)n, ":%u", e->port);
	for (uint32_t i = 0; i < e->header_count && n > 0 && (size_t)n < w.cap; i++)
		n += snprintf(w.at + n, w.cap - (size_t)n, "\r\n%s: %s", e->headers[i].name,
			      e->headers[i].value);
	if (n > 0 && (size_t)n < w.cap)
		n += snprintf(w.at + n, w.cap - (size_t)n, "\r\n\r\n");
	*out_len = (size_t)n;
	return n > 0 && (size_t)n < w.cap;
}

/* H1_REJECT_NONE: it is whole, and good. */
static enum h1_reject parse(struct span head, struct message *out_msg)
{
	enum h1_reject reject = H1_REJECT_NONE;
	struct h1_parser parser;
	size_t used;

	h1_parser_init(&parser, H1_REQUEST, &decide_limits);
	if (h1_parser_head(&parser, head, out_msg, &used, &reject) == H1_NEED_MORE)
		return H1_REJECT_HEAD_BYTES;
	return reject;
}

static void write_head(struct trial *t, struct rewrite_room texts)
{
	struct h1_writer w;

	h1_writer_init(&w, t->written, sizeof(t->written));
	t->fits = decide_head(&t->asked, &t->msg, &t->decision, texts, &w) &&
		  parse(span_make(w.at, w.len), &t->sent) == H1_REJECT_NONE;
}

/* Clients name no addresses (RFC 6066, 3). */
static struct sni_ask hello_of(const struct expectation *e)
{
	struct sni_ask hello = { .name = span_of(e->host) };
	struct addr literal;

	if (e->host[0] == '[' || addr_parse_ip(hello.name, &literal))
		hello.name = SPAN("");
	MUST(sni_match_offer(&hello, e->alpn ? span_of(e->alpn) : SPAN(ALPN_HTTP)));
	return hello;
}

static void begin_at(struct trial *t, const struct expectation *e, const struct listener *l)
{
	memset(t, 0, offsetof(struct trial, head));
	t->e = e;
	t->asked.listener = l;
}

static void pass_at(struct trial *t, const struct expectation *e, const struct listener *l)
{
	struct sni_ask hello = hello_of(e);
	enum sni_miss miss;

	begin_at(t, e, l);
	t->entry = sni_match_find(l, &hello, &miss);
	if (t->entry)
		t->decision.upstream = t->entry->upstream;
	else
		t->refused =
			miss == SNI_MISS_NAME
				? "no entry of \"sni\" has its host"
				: "no entry of \"sni\" with its host has a protocol that it offers";
}

static void try_at(struct trial *t, const struct expectation *e, const struct listener *l)
{
	static const struct addr nobody;
	struct rewrite_room texts = { t->texts, sizeof(t->texts) };
	bool secure = l->protocol == LISTENER_HTTPS;
	struct sni_ask hello = hello_of(e);
	enum h1_reject reject;
	size_t len;

	begin_at(t, e, l);
	if (secure && hello.protocol_count > 0 && !sni_match_offers(&hello, SPAN(ALPN_HTTP))) {
		t->refused = "it offers other protocols than " ALPN_HTTP;
		return;
	}
	t->asked = (struct asked){ .listener = l,
				   .client = addr_is_ip(&e->from, &nobody) ? NULL : &e->from,
				   .sni = secure ? hello.name : SPAN(""),
				   .alpn = span_of(secure && hello.protocol_count > 0 ? ALPN_HTTP
										      : NULL),
				   .subject = span_of(e->subject),
				   .session_id = secure ? e->session_id : 0,
				   .session_resumed = secure && e->session_resumed,
				   .id = SPAN("00000000000000000000000000000000"),
				   .secure = secure };
	reject = compose(t, &len) ? parse(span_make(t->head, len), &t->msg) : H1_REJECT_HEAD_BYTES;
	if (reject != H1_REJECT_NONE) {
		t->refused = h1_reject_text(reject).at;
		t->refused_status = h1_reject_status(reject);
		return;
	}
	t->decision = decide(&t->asked, &t->msg, t->path, sizeof(t->path));
	if (t->decision.route && t->decision.route->action == ROUTE_REDIRECT)
		t->location = decide_location(&t->asked, &t->msg, &t->decision, texts);
	if (t->decision.kind == DECIDED_UPSTREAM)
		write_head(t, texts);
}

static bool may_take(const struct listener *l, const struct expectation *e)
{
	return l->port == e->port && (l->routes || (l->protocol == LISTENER_TLS_PASSTHROUGH &&
						    strcmp(e->scheme, "https") == 0));
}

/* The first listener of that port with a route for it decides, or one that passes it on: tests
 * name requests, not vips. */
static void try_all(struct building *b, struct trial *t, const struct expectation *e)
{
	t->asked.listener = NULL;
	for (uint32_t i = 0; i < b->model->vip_count; i++)
		for (uint32_t k = 0; k < b->model->vips[i].listener_count; k++) {
			const struct listener *l = &b->model->vips[i].listeners[k];

			if (!may_take(l, e))
				continue;
			(l->routes ? try_at : pass_at)(t, e, l);
			if (t->decision.route || t->entry)
				return;
		}
}

/* --- what came of it, beside what was expected ------------------------------------------- */

static const char *no_route(const struct trial *t)
{
	if (!t->asked.listener)
		return "no listener takes its port (80 or 443 where the URL has none)";
	if (t->refused)
		return t->refused;
	switch (t->decision.kind) {
	case DECIDED_BAD_PATH:
		return "the path is refused";
	case DECIDED_BAD_FIELD:
		return "a field is refused";
	case DECIDED_NO_CONNECT:
		return "CONNECT is refused";
	default:
		return "no route matches";
	}
}

static bool check_route(struct building *b, const struct trial *t)
{
	const struct expectation *e = t->e;
	const struct route *got = t->decision.route;

	if (t->entry && e->route)
		finding(&b->reading, e->at,
			"this test expected route \"%s\", found that \"%s\" of \"sni\" (line %u) "
			"passes it on",
			e->route, t->entry->name, t->entry->at.line);
	else if (!got && !t->entry)
		finding(&b->reading, e->at, "this test expected %s \"%s\", found that %s",
			e->route ? "route" : "upstream", e->route ? e->route : e->upstream,
			no_route(t));
	else if (got && e->route && strcmp(got->name, e->route) != 0)
		finding(&b->reading, e->at,
			"this test expected route \"%s\", found that \"%s\" (line %u) matches",
			e->route, got->name, got->at.line);
	else
		return true;
	return false;
}

/* By chance, each share's upstream that has a weight is as good. */
static const struct upstream *upstream_named(const struct trial *t, const char *name)
{
	const struct split *split = t->decision.route ? t->decision.route->split : NULL;

	for (uint32_t i = 0; split && split->sticky == STICKY_NONE && i < split->count; i++)
		if (split->shares[i].weight > 0 &&
		    strcmp(split->shares[i].upstream->name, name) == 0)
			return split->shares[i].upstream;
	return strcmp(t->decision.upstream->name, name) == 0 ? t->decision.upstream : NULL;
}

static bool check_upstream(struct building *b, struct trial *t)
{
	const struct expectation *e = t->e;
	const struct upstream *u = t->decision.upstream;

	if (e->upstream && u)
		u = upstream_named(t, e->upstream);
	if (e->upstream && !u)
		finding(&b->reading, e->at, "this test expected upstream \"%s\", found %s%s%s",
			e->upstream, t->decision.upstream ? "\"" : "",
			t->decision.upstream ? t->decision.upstream->name : "an answer of our own",
			t->decision.upstream ? "\"" : "");
	else if (u)
		t->decision.upstream = u;
	return !e->upstream || u;
}

/* Whether it may be asked while all are fit. */
static bool is_asked(const struct upstream *u, const struct endpoint *to)
{
	for (uint32_t i = 0; i < u->endpoint_count; i++)
		if (u->endpoints[i].weight > 0 && u->endpoints[i].priority < to->priority &&
		    !u->endpoints[i].name)
			return false;
	/* What a name stands for is no claim of the file's, and must not spoil one. */
	return to->weight > 0 && !to->name;
}

static bool names(const struct expectation *e, const char *address)
{
	for (uint32_t i = 0; i < e->endpoint_count; i++)
		if (strcmp(e->endpoints[i], address) == 0)
			return true;
	return false;
}

static bool check_endpoints(struct building *b, const struct trial *t)
{
	const struct upstream *u = t->decision.upstream;
	uint32_t found = 0;

	if (!t->e->endpoints)
		return true;
	for (uint32_t i = 0; u && i < u->endpoint_count; i++) {
		struct addr_text text = addr_print(&u->endpoints[i].address);

		if (!is_asked(u, &u->endpoints[i]))
			continue;
		found++;
		if (names(t->e, text.text))
			continue;
		finding(&b->reading, t->e->at,
			"this test expected other endpoints, found that %s is asked too",
			text.text);
		return false;
	}
	if (found != t->e->endpoint_count)
		finding(&b->reading, t->e->at,
			"this test expected %u endpoints, found that %u are asked",
			t->e->endpoint_count, found);
	return found == t->e->endpoint_count;
}

static uint32_t status_of(const struct trial *t)
{
	return t->refused ? t->refused_status : t->asked.listener ? t->decision.status : 0;
}

static bool check_answer(struct building *b, const struct trial *t)
{
	const struct expectation *e = t->e;

	if (e->status && status_of(t) != e->status) {
		finding(&b->reading, e->at, "this test expected status %u, found %s%.0u", e->status,
			status_of(t) ? "" : "that no answer of our own is given", status_of(t));
		return false;
	}
	if (!e->location || span_is(t->location, span_of(e->location)))
		return true;
	finding(&b->reading, e->at, "this test expected location \"%s\", found \"%.*s\"",
		e->location, SPAN_ARG(t->location));
	return false;
}

static bool check_field(struct building *b, const struct trial *t, const struct field_match *want)
{
	struct span got = message_value(&t->sent, span_of(want->name));

	if (got.at && span_is(got, span_of(want->value)))
		return true;
	finding(&b->reading, t->e->at,
		"this test expected that the endpoint gets \"%s: %s\", found %s%.*s%s", want->name,
		want->value, got.at ? "\"" : "none", SPAN_ARG(got), got.at ? "\"" : "");
	return false;
}

static bool check_sent(struct building *b, const struct trial *t)
{
	const struct expectation *e = t->e;

	if (!e->target && e->sent_count + e->not_sent_count == 0)
		return true;
	if (!t->fits) {
		finding(&b->reading, e->at,
			"this test expected that an endpoint gets the request, found that none "
			"does");
		return false;
	}
	if (e->target && !span_is(t->sent.target, span_of(e->target))) {
		finding(&b->reading, e->at, "this test expected target \"%s\", found \"%.*s\"",
			e->target, SPAN_ARG(t->sent.target));
		return false;
	}
	for (uint32_t i = 0; i < e->sent_count; i++)
		if (!check_field(b, t, &e->sent[i]))
			return false;
	for (uint32_t i = 0; i < e->not_sent_count; i++)
		if (message_find(&t->sent, span_of(e->not_sent[i]))) {
			finding(&b->reading, e->at,
				"this test expected that the endpoint gets no field \"%s\", found "
				"one",
				e->not_sent[i]);
			return false;
		}
	return true;
}

/* One sentence a test at most. */
static void run_test(struct building *b, struct trial *t, const struct expectation *e)
{
	memset(t, 0, offsetof(struct trial, head));
	try_all(b, t, e);
	t->e = e;
	if ((e->route || e->upstream) && !check_route(b, t))
		return;
	if (check_upstream(b, t) && check_endpoints(b, t) && check_answer(b, t))
		check_sent(b, t);
}

void check_tests(struct building *b)
{
	struct trial *t = must_alloc(sizeof(*t));

	for (uint32_t i = 0; i < b->model->test_count; i++)
		run_test(b, t, &b->model->tests[i]);
	free(t);
}
