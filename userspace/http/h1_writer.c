#include "userspace/http/h1_writer.h"

#include "userspace/base/must.h"

/* Where bytes go until the whole is known to fit. */
struct out {
	char *at;
	size_t room;
	size_t len;
	bool failed;
};

static struct out out_begin(const struct h1_writer *w)
{
	return (struct out){ w->at + w->len, w->cap - w->len, 0, false };
}

static bool out_end(const struct out *o, struct h1_writer *w)
{
	if (o->failed)
		return false;
	w->len += o->len;
	return true;
}

/* Inlined everywhere, so that the copy of a literal is a store or two. */
static inline __attribute__((always_inline)) void put(struct out *o, struct span s)
{
	if (s.len > o->room - o->len) {
		o->failed = true;
		return;
	}
	if (s.len > 0)
		memcpy(o->at + o->len, s.at, s.len);
	o->len += s.len;
}

static void put_number(struct out *o, uint64_t n)
{
	char digits[20]; /* of UINT64_MAX */
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + n % 10);
	while (n /= 10);
	put(o, span_make(digits + at, sizeof(digits) - at));
}

static void put_field(struct out *o, struct span name, struct span value)
{
	put(o, name);
	put(o, SPAN(": "));
	put(o, value);
	put(o, SPAN("\r\n"));
}

/* --- fields that are passed on, set and added ---------------------------------------------- */

/* A field that somebody wants set must not end its line, nor touch what we decide. */
static void put_set(struct out *o, const struct field *set, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		enum field_id id = field_identify(set[i].name);

		if (set[i].name.len == 0 || !span_is_all(set[i].name, BYTE_TOKEN) ||
		    !span_is_all(set[i].value, BYTE_VALUE) || field_is_hop(id) ||
		    id == FIELD_CONTENT_LENGTH || id == FIELD_HOST)
			o->failed = true;
		else if (set[i].value.at)
			put_field(o, set[i].name, set[i].value);
	}
}

static bool is_set(const struct h1_sent *how, struct span name)
{
	for (uint32_t i = 0; i < how->set_count; i++) {
		if (span_is_nocase(how->set[i].name, name))
			return true;
	}
	return false;
}

static enum forwarded_mode mode_of(const struct forwarded_modes *modes, enum field_id id)
{
	switch (id) {
	case FIELD_VIA:
		return modes->via;
	case FIELD_FORWARDED_FOR:
		return modes->x_forwarded_for;
	case FIELD_FORWARDED_PROTO:
		return modes->x_forwarded_proto;
	case FIELD_FORWARDED_HOST:
		return modes->x_forwarded_host;
	default:
		return modes->forwarded;
	}
}

/* What it says of the way that it took. */
static bool is_believed(const struct message *msg, const struct h1_sent *how)
{
	return msg->status > 0 || how->forwarded.trusted;
}

/* Fields that go on unchanged: no hop-by-hop ones, and none that we write ourselves. */
static bool is_passed(const struct message *msg, const struct field *f, const struct h1_sent *how)
{
	bool is_request = msg->status == 0;

	if (f->is_hop || is_set(how, f->name))
		return false;
	switch (f->id) {
	case FIELD_CONTENT_LENGTH:
		return false;
	case FIELD_HOST:
		return !is_request;
	case FIELD_EXPECT:
		return !is_request || (how->keep_expect && msg->expect_100);
	case FIELD_TRAILER:
		return how->framing == BODY_CHUNKED;
	case FIELD_FORWARDED:
	case FIELD_FORWARDED_FOR:
	case FIELD_FORWARDED_HOST:
	case FIELD_FORWARDED_PROTO:
		if (!is_request)
			return true;
		/* fall through */
	case FIELD_VIA: /* else put_way() decides */
		return is_believed(msg, how) &&
		       mode_of(&how->forwarded.modes, (enum field_id)f->id) == FORWARDED_OFF;
	default:
		return true;
	}
}

static void put_passed(struct out *o, const struct message *msg, const struct h1_sent *how)
{
	for (size_t i = 0; i < msg->field_count; i++) {
		const struct field *f = &msg->fields[i];

		if (is_passed(msg, f, how))
			put_field(o, f->name, f->value);
	}
}

/* --- the way that a message took ------------------------------------------------------------ */

/* A list that begins with its first element. */
static void put_next(struct out *o, struct span name, bool *first)
{
	put(o, *first ? name : SPAN(""));
	put(o, *first ? SPAN(": ") : SPAN(", "));
	*first = false;
}

/* What is appended to an open quoted string would be a part of it. */
static bool is_open(struct span s)
{
	bool quoted = false;

	for (size_t i = 0; i < s.len; i++) {
		if (quoted && s.at[i] == '\\')
			i++;
		else if (s.at[i] == '"')
			quoted = !quoted;
	}
	return quoted;
}

static void put_received(struct out *o, const struct message *msg, enum field_id id,
			 struct span name, bool *first)
{
	for (size_t i = 0; i < msg->field_count; i++) {
		const struct field *f = &msg->fields[i];

		if (f->id != id || f->is_hop || f->value.len == 0 ||
		    (id == FIELD_FORWARDED && is_open(f->value)))
			continue;
		put_next(o, name, first);
		put(o, f->value);
	}
}

/* RFC 7239, 6: an IPv6 address is in brackets, and quoted since it is then no token. */
static void put_for(struct out *o, struct span client)
{
	bool v6 = memchr(client.at, ':', client.len);

	put(o, v6 ? SPAN("for=\"[") : SPAN("for="));
	put(o, client);
	put(o, v6 ? SPAN("]\"") : SPAN(""));
}

/* An authority has neither quotes nor backslashes: see field_parse_host(). */
static void put_host(struct out *o, struct span host)
{
	bool token = span_is_all(host, BYTE_TOKEN);

	put(o, token ? SPAN(";host=") : SPAN(";host=\""));
	put(o, host);
	put(o, token ? SPAN("") : SPAN("\""));
}

/* What there is to say of ours; where it is empty, nothing is. */
static struct span own_of(const struct message *msg, const struct forwarded *f, enum field_id id)
{
	switch (id) {
	case FIELD_VIA:
		return f->via;
	case FIELD_FORWARDED_PROTO:
		return f->proto;
	case FIELD_FORWARDED_HOST:
		return msg->authority;
	default:
		return f->client;
	}
}

static void put_own(struct out *o, const struct message *msg, const struct forwarded *f,
		    enum field_id id)
{
	/* RFC 9110, 7.6.3: the version as received */
	if (id == FIELD_VIA)
		put(o, msg->minor > 0 ? SPAN("1.1 ") : SPAN("1.0 "));
	if (id != FIELD_FORWARDED) {
		put(o, own_of(msg, f, id));
		return;
	}
	put_for(o, f->client);
	if (f->proto.len > 0) {
		put(o, SPAN(";proto="));
		put(o, f->proto);
	}
	if (msg->authority.len > 0)
		put_host(o, msg->authority);
}

/* All lines of a list are joined: who reads only the first or the last of them reads all. */
static void put_way(struct out *o, const struct message *msg, const struct h1_sent *how,
		    enum field_id id, struct span name)
{
	enum forwarded_mode mode = mode_of(&how->forwarded.modes, id);
	bool first = true;

	if (mode == FORWARDED_OFF || is_set(how, name))
		return;
	if (mode == FORWARDED_APPEND && is_believed(msg, how))
		put_received(o, msg, id, name, &first);
	if (own_of(msg, &how->forwarded, id).len > 0) {
		put_next(o, name, &first);
		put_own(o, msg, &how->forwarded, id);
	}
	if (!first)
		put(o, SPAN("\r\n"));
}

static void put_ways(struct out *o, const struct message *msg, const struct h1_sent *how)
{
	put_way(o, msg, how, FIELD_FORWARDED_FOR, SPAN("X-Forwarded-For"));
	put_way(o, msg, how, FIELD_FORWARDED_PROTO, SPAN("X-Forwarded-Proto"));
	put_way(o, msg, how, FIELD_FORWARDED_HOST, SPAN("X-Forwarded-Host"));
	put_way(o, msg, how, FIELD_FORWARDED, SPAN("Forwarded"));
	put_way(o, msg, how, FIELD_VIA, SPAN("Via"));
}

/* --- fields of our own --------------------------------------------------------------------- */

static void put_framing(struct out *o, enum body_framing framing, uint64_t length)
{
	if (framing == BODY_CHUNKED)
		put(o, SPAN("Transfer-Encoding: chunked\r\n"));
	if (framing != BODY_LENGTH)
		return;
	put(o, SPAN("Content-Length: "));
	put_number(o, length);
	put(o, SPAN("\r\n"));
}

static void put_option(struct out *o, struct span option, bool *first)
{
	put(o, *first ? SPAN("Connection: ") : SPAN(", "));
	put(o, option);
	*first = false;
}

static void put_options(struct out *o, bool close, bool upgrade, bool te)
{
	bool first = true;

	if (close)
		put_option(o, SPAN("close"), &first);
	if (upgrade)
		put_option(o, SPAN("Upgrade"), &first);
	if (te)
		put_option(o, SPAN("TE"), &first);
	if (!first)
		put(o, SPAN("\r\n"));
	if (upgrade)
		put(o, SPAN("Upgrade: websocket\r\n"));
	if (te)
		put(o, SPAN("TE: trailers\r\n"));
}

/* --- heads --------------------------------------------------------------------------------- */

static void put_request_line(struct out *o, const struct message *msg, const struct h1_sent *how)
{
	put(o, msg->method);
	put(o, SPAN(" "));
	put(o, how->path.len > 0 ? how->path : msg->path);
	if (msg->query.at) {
		put(o, SPAN("?"));
		put(o, msg->query);
	}
	put(o, SPAN(" HTTP/1.1\r\n"));
}

bool h1_writer_request(struct h1_writer *w, const struct message *msg, const struct h1_sent *how)
{
	struct out o = out_begin(w);

	MUST(how->framing != BODY_UNTIL_CLOSE);
	put_request_line(&o, msg, how);
	put_field(&o, SPAN("Host"), how->host.len > 0 ? how->host : msg->authority);
	put_passed(&o, msg, how);
	put_set(&o, how->set, how->set_count);
	put_set(&o, how->added, how->added_count);
	put_framing(&o, how->framing, how->length);
	put_options(&o, !how->keep_alive, how->upgrade && msg->upgrade, msg->te_trailers);
	put_ways(&o, msg, how);
	put(&o, SPAN("\r\n"));
	return out_end(&o, w);
}

static void put_status_line(struct out *o, uint16_t status, struct span reason)
{
	put(o, SPAN("HTTP/1.1 "));
	put_number(o, status);
	put(o, SPAN(" "));
	put(o, reason);
	put(o, SPAN("\r\n"));
}

/* Framing and connection of a response that is not an interim one. */
static void put_final(struct out *o, const struct message *msg, const struct h1_sent *how)
{
	bool stays = how->keep_alive && how->framing != BODY_UNTIL_CLOSE;

	put_framing(o, how->framing, how->length);
	/* To HEAD, and in 304: the length that the content would have had (RFC 9110, 8.6). */
	if (how->framing == BODY_NONE && msg->has_content_length)
		put_framing(o, BODY_LENGTH, msg->content_length);
	put_options(o, !stays, false, false);
	if (stays && how->minor == 0)
		put(o, SPAN("Connection: keep-alive\r\n"));
}

bool h1_writer_response(struct h1_writer *w, const struct message *msg, const struct h1_sent *how)
{
	struct out o = out_begin(w);

	MUST(how->minor > 0 || how->framing != BODY_CHUNKED);
	put_status_line(&o, msg->status, msg->reason);
	put_passed(&o, msg, how);
	put_set(&o, how->set, how->set_count);
	put_set(&o, how->added, how->added_count);
	if (msg->status == 101)
		put_options(&o, false, how->upgrade && msg->upgrade, false);
	else if (msg->status >= 200)
		put_final(&o, msg, how);
	put_way(&o, msg, how, FIELD_VIA, SPAN("Via"));
	put(&o, SPAN("\r\n"));
	return out_end(&o, w);
}

bool h1_writer_reply(struct h1_writer *w, const struct h1_reply *reply)
{
	struct out o = out_begin(w);
	bool bare = reply->status < 200 || reply->status == 204 || reply->status == 304;

	put_status_line(&o, reply->status, message_status_text(reply->status));
	put_set(&o, reply->set, reply->set_count);
	if (!bare && !reply->typed && reply->body.len > 0)
		put(&o, SPAN("Content-Type: text/plain; charset=utf-8\r\n"));
	if (!bare)
		put_framing(&o, BODY_LENGTH, reply->body.len);
	put_options(&o, reply->close, false, false);
	if (!reply->close && reply->minor == 0)
		put(&o, SPAN("Connection: keep-alive\r\n"));
	put(&o, SPAN("\r\n"));
	if (!bare && !reply->head_only)
		put(&o, reply->body);
	return out_end(&o, w);
}

size_t h1_writer_chunk_head(uint64_t len, char out[H1_CHUNK_HEAD_MAX])
{
	static const char hex[] = "0123456789abcdef";
	size_t digits = 1;

	MUST(len > 0);
	while (digits < 16 && len >> (4 * digits))
		digits++;
	for (size_t i = 0; i < digits; i++)
		out[i] = hex[len >> (4 * (digits - 1 - i)) & 15];
	out[digits] = '\r';
	out[digits + 1] = '\n';
	return digits + 2;
}
