/* How a client is led back to the endpoint that it had, and what it is told for that. */
#include <string.h>

#include "userspace/http/cookie.h"
#include "userspace/proxy/session.h"

enum { NAME_END = '~' }; /* between an endpoint's name and an application's own value */

/* The head lies in a block of ours, and nobody looks at it again as it came. */
static char *own(struct span text)
{
	return (char *)(uintptr_t)text.at;
}

static struct endpoint_tokens *tokens_of(const struct snapshot *snapshot,
					 const struct upstream *upstream)
{
	return snapshot->tokens[upstream->index];
}

/* What it names, if nothing did before; says whether it is a name of somebody. */
static void recall(const struct recall *by, struct span token)
{
	struct endpoint_tokens *tokens = tokens_of(by->snapshot, by->upstream);
	uint32_t place = endpoint_tokens_find(tokens, token);
	struct exchange *ex = by->ex;

	if (ex->keeps)
		return;
	if (place == ENDPOINT_TOKEN_NOBODY) {
		ex->foreign = true;
		return;
	}
	ex->keeps = true;
	ex->kept = place;
	/* One by an older key is replaced. */
	ex->kept_newest = memcmp(endpoint_tokens_of(tokens, place), token.at, token.len) == 0;
}

/* Ours: the endpoint never sees it. */
static void take_cookie(const struct recall *by, struct field *f, struct span name)
{
	struct span rest = f->value, found, value;
	bool any = false;

	while (cookie_take(&rest, &found, &value)) {
		if (!span_is(found, name))
			continue;
		any = true;
		recall(by, value);
	}
	if (any)
		f->value.len = cookie_strip(own(f->value), f->value.len, name);
	if (f->value.len == 0)
		f->is_hop = true; /* left out */
}

static bool is_token(struct span text)
{
	size_t i = 0;

	while (i < text.len && byte_is(text.at[i], BYTE_PLAIN) && text.at[i] != '.' &&
	       text.at[i] != NAME_END)
		i++;
	return i == text.len;
}

/* The application's: it gets back the value that it gave. */
static void take_prefix(const struct recall *by, struct field *f, struct span name)
{
	size_t at = 0;

	while (at < f->value.len) {
		struct span rest = span_after(f->value, at), found, value;
		size_t cut = ENDPOINT_TOKEN_BYTES + 1;

		cookie_take(&rest, &found, &value);
		at = f->value.len - rest.len;
		if (!span_is(found, name) || value.len < cut || value.at[cut - 1] != NAME_END ||
		    !is_token(span_make(value.at, cut - 1)))
			continue;
		recall(by, span_make(value.at, cut - 1));
		memmove(own(value), value.at + cut,
			(size_t)(f->value.at + f->value.len - value.at) - cut);
		f->value.len -= cut;
		at -= cut;
	}
}

void exchange_recall(const struct recall *by, struct message *msg, struct span path)
{
	const struct persistence *p = &by->upstream->persistence;
	bool whole = p->kind == PERSISTENCE_COOKIE;

	exchange_hash(by, msg, path);
	if (!tokens_of(by->snapshot, by->upstream))
		return;
	for (uint16_t i = 0; i < msg->field_count; i++) {
		struct field *f = &msg->fields[i];

		if (span_is_nocase(f->name, SPAN("cookie")))
			(whole ? take_cookie : take_prefix)(by, f, span_of(p->cookie));
	}
}

/* What is written for a response, in scratch of the proxy's. */
struct room {
	char *at;
	size_t left;
};

static bool put(struct room *room, struct span text)
{
	if (text.len > room->left)
		return false;
	memcpy(room->at, text.at, text.len);
	room->at += text.len;
	room->left -= text.len;
	return true;
}

static struct span token_of(const struct session *s)
{
	return span_make(endpoint_tokens_of(tokens_of(s->snapshot, s->ex.upstream), s->ex.place),
			 ENDPOINT_TOKEN_BYTES);
}

static void give_cookie(struct session *s, struct filter_fields *fields)
{
	const struct persistence *p = &s->ex.upstream->persistence;
	struct room room = { s->proxy->cookies, sizeof(s->proxy->cookies) };
	bool secure = p->secure == COOKIE_SECURE_ALWAYS ||
		      (p->secure == COOKIE_SECURE_AUTO && s->ends[CLIENT]->ops);

	if (s->ex.keeps && s->ex.kept == s->ex.place && s->ex.kept_newest)
		return;
	if (!put(&room, span_of(p->cookie)) || !put(&room, SPAN("=")) || !put(&room, token_of(s)) ||
	    !put(&room, span_of(p->attributes)) ||
	    !put(&room, secure ? SPAN("; Secure") : SPAN("")))
		return;
	fields->added[fields->added_count++] = (struct field){
		.name = SPAN("Set-Cookie"),
		.value = span_make(s->proxy->cookies, (size_t)(room.at - s->proxy->cookies)),
	};
	/* What a cache gave to others would lead them all to one endpoint. */
	fields->added[fields->added_count++] =
		(struct field){ .name = SPAN("Cache-Control"), .value = SPAN("private") };
	stat_add(&session_stats(s)->persistence_given, 1);
}

/* Puts the endpoint's name before the application's own values. */
static void give_prefix(struct session *s, struct message *msg)
{
	struct span name = span_of(s->ex.upstream->persistence.cookie);
	struct room room = { s->proxy->cookies, sizeof(s->proxy->cookies) };

	for (uint16_t i = 0; i < msg->field_count; i++) {
		struct field *f = &msg->fields[i];
		struct span rest = f->value, found, value;
		const char *begin = room.at;

		if (!span_is_nocase(f->name, SPAN("set-cookie")) ||
		    !cookie_take(&rest, &found, &value) || !span_is(found, name) || value.len == 0)
			continue;
		if (!put(&room, name) || !put(&room, SPAN("=")) || !put(&room, token_of(s)) ||
		    !put(&room, SPAN("~")) ||
		    !put(&room, span_after(f->value, (size_t)(value.at - f->value.at))))
			return;
		f->value = span_make(begin, (size_t)(room.at - begin));
		stat_add(&session_stats(s)->persistence_given, 1);
	}
}

void exchange_remember(struct session *s, struct message *msg, struct filter_fields *fields)
{
	if (!s->ex.upstream || !tokens_of(s->snapshot, s->ex.upstream))
		return;
	if (s->ex.upstream->persistence.kind == PERSISTENCE_COOKIE)
		give_cookie(s, fields);
	else
		give_prefix(s, msg);
}

void exchange_count_kept(const struct session *s)
{
	const struct exchange *ex = &s->ex;

	if (!ex->keeps)
		return;
	stat_add(ex->place == ex->kept ? &session_stats(s)->persistence_kept
				       : &session_stats(s)->persistence_moved,
		 1);
}
