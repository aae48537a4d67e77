#include "userspace/control/explain_words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct explain_text explain_words_say(const char *fmt, ...)
{
	struct explain_text made;
	va_list args;

	va_start(args, fmt);
	vsnprintf(made.text, sizeof(made.text), fmt, args);
	va_end(args);
	return made;
}

static const char *kind_word(const struct value_match *m)
{
	static const char *const kinds[][2] = {
		[VALUE_EXACT] = { "is not", "is" },
		[VALUE_PREFIX] = { "does not begin with", "begins with" },
		[VALUE_REGEX] = { "is not as", "is as" },
		[VALUE_PRESENT] = { "is absent", "is present" },
	};

	return kinds[m->kind][m->negated];
}

static struct explain_text words_value(const char *what, const struct value_match *m)
{
	if (m->kind == VALUE_PRESENT)
		return explain_words_say("%s %s %s", what, m->name, kind_word(m));
	return explain_words_say("%s %s %s \"%.120s\"", what, m->name, kind_word(m), m->value);
}

static struct explain_text words_miss(const struct route_try *tried)
{
	const struct route *r = tried->route;

	switch (tried->miss) {
	case MISS_PATH:
		return explain_words_say("the path is not as its path \"%.160s\"", r->path);
	case MISS_METHOD:
		return explain_words_say("its methods are others, %s%s", r->methods[0],
					 r->method_count > 1 ? " and more" : "");
	case MISS_HEADER:
		return words_value("header", &r->headers[tried->which]);
	case MISS_LISTENER:
		return explain_words_say("it is for other listeners, %s:%u%s",
					 r->when->listeners[0].vip, r->when->listeners[0].port,
					 r->when->listener_count > 1 ? " and more" : "");
	case MISS_SNI:
		return explain_words_say("it is for other server names (SNI), %s%s",
					 r->when->sni[0],
					 r->when->sni_count > 1 ? " and more" : "");
	case MISS_ALPN:
		return words_value("TLS", r->when->alpn);
	case MISS_SUBJECT:
		return words_value("client certificate's", r->when->subject);
	case MISS_SESSION_ID:
		return words_value("TLS", r->when->session_id);
	case MISS_RESUMPTION:
		return explain_words_say("%s TLS session was resumed",
					 r->when->session_resumed == RESUMPTION_YES ? "no" : "a");
	case MISS_CLIENT:
		return explain_words_say("the client is in none of its networks");
	case MISS_COUNTRY:
		return tried->which == 0
			       ? explain_words_say("nobody knows the client's country")
			       : explain_words_say("the client's country is another, %c%c",
						   (int)(tried->which >> 8),
						   (int)(tried->which & 255));
	case MISS_COOKIE:
		return words_value("cookie", &r->when->cookies[tried->which]);
	case MISS_QUERY:
		return words_value("parameter", &r->when->queries[tried->which]);
	case MISS_NONE:
		break;
	}
	return explain_words_say("it matches");
}

struct explain_text explain_words_try(const struct route_try *tried, const struct route *taken)
{
	static const char *const rules[] = {
		[RULE_HOST] = "has a more specific host",
		[RULE_PATH] = "has a more specific path",
		[RULE_METHOD] = "names a method",
		[RULE_VALUES] = "matches more headers and cookies",
		[RULE_QUERIES] = "matches more parameters",
		[RULE_ORDER] = "is as specific and written first",
	};

	if (tried->miss != MISS_NONE)
		return words_miss(tried);
	if (tried->route == taken)
		return explain_words_say("it matches, and nothing more specific does");
	return explain_words_say("it matches, but \"%s\" %s", taken->name,
				 rules[router_rule(taken, tried->route)]);
}

struct explain_text explain_words_entry(const struct sni_route *entry, const struct explained *e)
{
	if (sni_match_try(entry, &e->hello) == SNI_MISS_PROTOCOL)
		return explain_words_say("the client offers none of its protocols (ALPN)");
	if (entry == e->entry)
		return explain_words_say("it matches, and nothing more specific does");
	return explain_words_say(
		"it matches, but \"%s\" (line %u) %s", e->entry->name, e->entry->at.line,
		strcmp(entry->name, e->entry->name) == 0 ? "is written first" : "is more specific");
}

const char *explain_words_action(const struct explained *e)
{
	const struct route *r = e->decision.route;

	if (e->end != END_DONE)
		return "refused";
	if (!r || r->action == ROUTE_UPSTREAM)
		return "upstream";
	return r->action == ROUTE_REDIRECT ? "redirect" : "respond";
}

struct explain_text explain_words_split(const struct split *split, enum sticky by)
{
	const char *what = split->sticky == STICKY_COOKIE ? "cookie" : "header";

	if (by == STICKY_NONE)
		return explain_words_say("chance");
	if (split->sticky == STICKY_CLIENT)
		return explain_words_say("the client's address");
	if (by == STICKY_CLIENT)
		return explain_words_say("the client's address, since it has not the %s %s", what,
					 split->name);
	return explain_words_say("the %s %s", what, split->name);
}

static struct explain_text words_key(const struct request_key *key)
{
	static const char *const keys[KEY_KINDS] = { [KEY_CLIENT] = "the client's address",
						     [KEY_HEADER] = "the header",
						     [KEY_COOKIE] = "the cookie",
						     [KEY_QUERY] = "the parameter",
						     [KEY_PATH] = "the path",
						     [KEY_TLS_SESSION] = "the TLS session" };
	const char *name = key->name ? key->name : ""; /* of what has one */

	return explain_words_say("%s%s%s", keys[key->kind], *name ? " " : "", name);
}

struct explain_text explain_words_balance(const struct upstream *u)
{
	static const char *const names[BALANCES] = {
		[BALANCE_ROUND_ROBIN] = "round robin, by weight",
		[BALANCE_LEAST_REQUEST] = "who has least to do for its weight",
		[BALANCE_RANDOM] = "the better of two by chance",
	};

	if (u->balance != BALANCE_MAGLEV)
		return explain_words_say("%s", names[u->balance]);
	return explain_words_say("maglev, by %s", words_key(&u->hash_on).text);
}

struct explain_text explain_words_persistence(const struct explain_keeping *k)
{
	const struct persistence *p = &k->upstream->persistence;

	if (p->kind == PERSISTENCE_NONE)
		return explain_words_say("none");
	if (p->kind == PERSISTENCE_HASH)
		return explain_words_say("by %s%s", words_key(&p->hash_on).text,
					 k->keyed ? "" : ", which it has not");
	if (!k->keeps)
		return explain_words_say("the cookie %s %s", p->cookie,
					 k->foreign ? "names nobody here" : "is absent");
	if (k->kept)
		return explain_words_say("the cookie %s names this endpoint", p->cookie);
	return explain_words_say("the cookie %s names %s, which is not fit or has no room",
				 p->cookie, k->of ? addr_print(k->of).text : "another one");
}

struct explain_text explain_words_state(const struct explain_endpoint *one)
{
	const struct roster_state *s = &one->state;

	if (s->order.service == SERVICE_OFF)
		return explain_words_say("off: shuntctl endpoint says so");
	if (s->order.service == SERVICE_DRAINING)
		return explain_words_say("gets nothing new: it drains, as shuntctl endpoint says");
	if (s->order.weight == 0)
		return explain_words_say("gets nothing new: its weight is 0");
	if (s->down)
		return explain_words_say("down: its health checks fail");
	if (s->ejected_ms > 0)
		return explain_words_say(
			"ejected for %llu ms more: it failed, or did worse than others",
			(unsigned long long)s->ejected_ms);
	if (s->full)
		return explain_words_say(
			"full: it has all requests or connections that it may have");
	if (s->lent)
		return explain_words_say(
			"fit: it has all connections that it may have, but one waits here to be "
			"used");
	if (s->percent < 100)
		return explain_words_say("fit, warming up: it gets %u %% of its share", s->percent);
	return explain_words_say("fit");
}

const char *explain_words_how(enum balance balance, bool keyed, bool keyless)
{
	static const char *const hows[BALANCES] = {
		[BALANCE_ROUND_ROBIN] = "it is its turn",
		[BALANCE_MAGLEV] = "its slots of the ring have the hash",
		[BALANCE_RANDOM] = "chance, and what it has to do",
		[BALANCE_LEAST_REQUEST] = "it has least to do for its weight",
	};

	if (keyless)
		return "chance, since it has not what is hashed";
	return hows[keyed ? BALANCE_MAGLEV : balance];
}

struct explain_text explain_words_choice(const struct explained *e)
{
	const struct upstream *u = e->decision.upstream;
	const char *how = explain_words_how(u->balance, e->keyed, e->keyless);

	if (e->waits)
		return explain_words_say(
			"all that are fit are full: it would wait in line, for %u ms at most",
			u->queue.timeout_ms);
	if (e->answer != ROSTER_FOUND)
		return explain_words_say("%s", end_reason_texts[e->end]);
	if (e->keeps && e->place == e->kept)
		return explain_words_say("it had the client before");
	if (e->any)
		return explain_words_say("%s; too few are fit, so all are taken for it", how);
	if (u->endpoints[e->place].priority > 0)
		return explain_words_say("%s; nobody of a priority before %u is fit and free", how,
					 u->endpoints[e->place].priority);
	return explain_words_say("%s", how);
}

struct explain_text explain_words_splice(const struct explained *e)
{
	if (e->full)
		return explain_words_say(
			"as a tunnel, unless the connections' sockets are against it");
	if (e->bodies)
		return explain_words_say(
			"bodies of a known length from %llu bytes on, where that pays and the "
			"sockets are not against it",
			(unsigned long long)e->splice_threshold);
	return explain_words_say("%s", splice_reason_texts[e->splice_reason]);
}
