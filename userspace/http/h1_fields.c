#include "userspace/http/h1_fields.h"

#include "userspace/base/must.h"

enum { OPTIONS_MAX = 16 }; /* tokens in Connection; H1_REJECT_CONNECTION says the same */

/* The fields that decide about the message, found while fields are read. */
struct known_fields {
	uint16_t count[FIELD_IDS];
	struct field *first[FIELD_IDS];
	bool close;
	bool keep_alive;
	bool upgrade;
};

/* --- fields -------------------------------------------------------------------------------- */

static enum h1_reject parse_field(struct span line, struct field *out_field)
{
	size_t n = 0;

	/* RFC 9112, 5.2 and 5.1: no folding, and nothing between the name and its colon. */
	if (line.at[0] == ' ' || line.at[0] == '\t')
		return H1_REJECT_FOLD;
	while (n < line.len && byte_is(line.at[n], BYTE_TOKEN))
		n++;
	if (n == 0 || n == line.len || line.at[n] != ':')
		return H1_REJECT_FIELD_NAME;
	out_field->name = span_make(line.at, n);
	out_field->value = field_trim(span_after(line, n + 1));
	out_field->id = (uint8_t)field_identify(out_field->name);
	out_field->is_hop = field_is_hop((enum field_id)out_field->id);
	return H1_REJECT_NONE;
}

/* The caller has seen that every line ends. */
static struct span take_line(struct span *rest)
{
	const char *cr = memchr(rest->at, '\r', rest->len);
	struct span line = span_make(rest->at, (size_t)(cr - rest->at));

	*rest = span_after(*rest, line.len + 2);
	return line;
}

/* lines: up to and with the empty one. */
static enum h1_reject parse_fields(struct span lines, struct message *msg,
				   struct known_fields *known)
{
	for (;;) {
		struct span line = take_line(&lines);
		struct field *f = &msg->fields[msg->field_count];
		enum h1_reject why;

		if (line.len == 0)
			return H1_REJECT_NONE;
		MUST(msg->field_count < FIELDS_MAX); /* h1_parser has counted */
		why = parse_field(line, f);
		if (why)
			return why;
		if (known->count[f->id]++ == 0)
			known->first[f->id] = f;
		msg->field_count++;
	}
}

/* --- what the fields mean ------------------------------------------------------------------ */

static void mark_hop(struct message *msg, struct span name)
{
	for (size_t i = 0; i < msg->field_count; i++) {
		if (span_is_nocase(msg->fields[i].name, name))
			msg->fields[i].is_hop = true;
	}
}

static bool read_option(struct message *msg, struct span option, struct known_fields *known)
{
	if (!span_is_all(option, BYTE_TOKEN))
		return false;
	if (span_is_nocase(option, SPAN("close")))
		known->close = true;
	else if (span_is_nocase(option, SPAN("keep-alive")))
		known->keep_alive = true;
	else if (span_is_nocase(option, SPAN("upgrade")))
		known->upgrade = true;
	else
		mark_hop(msg, option);
	return true;
}

/* RFC 9112, 9.3; RFC 9110, 7.6.1 */
static enum h1_reject read_connection(struct message *msg, struct known_fields *known)
{
	unsigned options = 0;

	for (size_t i = 0; known->count[FIELD_CONNECTION] && i < msg->field_count; i++) {
		struct span list = msg->fields[i].value, option;

		if (msg->fields[i].id != FIELD_CONNECTION)
			continue;
		while (field_list_take(&list, &option)) {
			if (++options > OPTIONS_MAX || !read_option(msg, option, known))
				return H1_REJECT_CONNECTION;
		}
	}
	msg->keep_alive = !known->close && (msg->minor > 0 || known->keep_alive);
	return H1_REJECT_NONE;
}

static uint16_t port_or_default(const struct message *msg, uint16_t port)
{
	if (port != 0 || msg->target.len < 5)
		return port;
	return (msg->target.at[4] | 0x20) == 's' ? 443 : 80;
}

/* RFC 9112, 3.2. That RFC lets the target win over Host; we refuse them where they disagree. */
static enum h1_reject read_host(struct message *msg, const struct known_fields *known)
{
	struct span host;
	uint16_t port;

	if (known->count[FIELD_HOST] > 1)
		return H1_REJECT_HOST_TWICE;
	if (known->count[FIELD_HOST] == 0)
		return msg->minor > 0 ? H1_REJECT_HOST_MISSING : H1_REJECT_NONE;
	if (!field_parse_host(known->first[FIELD_HOST]->value, &host, &port))
		return H1_REJECT_HOST;
	if (msg->authority.len > 0) {
		bool same = span_is_nocase(host, msg->host);

		if (msg->method_id == METHOD_CONNECT)
			same = same && port == msg->port;
		else
			same = same &&
			       port_or_default(msg, port) == port_or_default(msg, msg->port);
		return same ? H1_REJECT_NONE : H1_REJECT_HOST_DIFFERS;
	}
	msg->authority = known->first[FIELD_HOST]->value;
	msg->host = host;
	msg->port = port;
	return H1_REJECT_NONE;
}

/* RFC 9112, 6.1 and 7: "chunked", once, alone, is all that is accepted; the rest is only to say
 * what is wrong. */
static enum h1_reject read_codings(const struct message *msg, const struct known_fields *known)
{
	bool chunked = false, unknown = false;

	if (known->count[FIELD_TRANSFER_ENCODING] == 1 &&
	    span_is_nocase(known->first[FIELD_TRANSFER_ENCODING]->value, SPAN("chunked")))
		return H1_REJECT_NONE;
	for (size_t i = 0; i < msg->field_count; i++) {
		struct span list = msg->fields[i].value, coding;

		if (msg->fields[i].id != FIELD_TRANSFER_ENCODING)
			continue;
		while (field_list_take(&list, &coding)) {
			if (chunked || !span_is_all(coding, BYTE_TOKEN))
				return H1_REJECT_CODING;
			chunked = span_is_nocase(coding, SPAN("chunked"));
			unknown = unknown || !chunked;
		}
	}
	return unknown ? H1_REJECT_CODING_UNKNOWN : H1_REJECT_CODING;
}

/* RFC 9112, 6.3, where every doubt is a reject. */
static enum h1_reject read_framing(struct message *msg, const struct known_fields *known)
{
	bool coded = known->count[FIELD_TRANSFER_ENCODING] > 0;
	bool has_length = known->count[FIELD_CONTENT_LENGTH] > 0;

	if (coded && has_length)
		return H1_REJECT_LENGTH_AND_CODING;
	if (coded && msg->minor == 0)
		return H1_REJECT_CODING_VERSION;
	if (coded) {
		msg->framing = BODY_CHUNKED;
		return read_codings(msg, known);
	}
	if (!has_length)
		return H1_REJECT_NONE;
	if (known->count[FIELD_CONTENT_LENGTH] > 1)
		return H1_REJECT_LENGTH_TWICE;
	if (!field_parse_number(known->first[FIELD_CONTENT_LENGTH]->value, &msg->content_length))
		return H1_REJECT_LENGTH;
	msg->framing = BODY_LENGTH;
	msg->has_content_length = true;
	return H1_REJECT_NONE;
}

/* Upgrade lists WebSocket (RFC 6455, 4.1). */
static bool lists_websocket(const struct known_fields *known)
{
	struct span list, protocol;

	if (!known->upgrade || known->count[FIELD_UPGRADE] != 1)
		return false;
	list = known->first[FIELD_UPGRADE]->value;
	while (field_list_take(&list, &protocol)) {
		if (span_is_nocase(protocol, SPAN("websocket")))
			return true;
	}
	return false;
}

static void read_te(struct message *msg, const struct known_fields *known)
{
	struct span list, element;

	if (known->count[FIELD_TE] == 0)
		return;
	list = known->first[FIELD_TE]->value;
	while (field_list_take(&list, &element))
		msg->te_trailers = msg->te_trailers || span_is_nocase(element, SPAN("trailers"));
}

static enum h1_reject finish_request(struct message *msg, const struct known_fields *known)
{
	enum h1_reject why = read_host(msg, known);
	const struct field *expect = known->first[FIELD_EXPECT];

	if (why)
		return why;
	/* RFC 9110, 9.3.6 and 9.3.8 */
	if ((msg->method_id == METHOD_CONNECT || msg->method_id == METHOD_TRACE) &&
	    message_has_body(msg))
		return H1_REJECT_BODY_FORBIDDEN;
	/* RFC 9110, 10.1.1; HTTP/1.0 has none. */
	if (expect && msg->minor > 0) {
		if (known->count[FIELD_EXPECT] > 1 ||
		    !span_is_nocase(expect->value, SPAN("100-continue")))
			return H1_REJECT_EXPECT;
		msg->expect_100 = message_has_body(msg);
	}
	read_te(msg, known);
	msg->upgrade = lists_websocket(known) && msg->minor > 0 && msg->method_id == METHOD_GET &&
		       !message_has_body(msg);
	return H1_REJECT_NONE;
}

/* RFC 9112, 6.3: what has no content whatever its fields say; and which fields it may have. */
static enum h1_reject finish_response(const struct h1_parser *p, struct message *msg,
				      const struct known_fields *known)
{
	bool connected = p->asked_connect && msg->status / 100 == 2;
	bool bare = msg->status < 200 || msg->status == 204 || connected;

	if (msg->status == 101) {
		msg->upgrade = lists_websocket(known);
		if (!p->asked_upgrade || !msg->upgrade || msg->minor == 0)
			return H1_REJECT_UPGRADE;
	}
	if (bare && message_has_body(msg))
		return H1_REJECT_BODY_FORBIDDEN;
	if (bare)
		msg->has_content_length = false;
	msg->tunnel = connected || msg->status == 101;
	if (bare || msg->status == 304 || p->asked_head)
		msg->framing = BODY_NONE;
	else if (msg->framing == BODY_NONE)
		msg->framing = BODY_UNTIL_CLOSE;
	if (msg->tunnel || msg->framing == BODY_UNTIL_CLOSE)
		msg->keep_alive = false;
	return H1_REJECT_NONE;
}

enum h1_reject h1_fields_parse(const struct h1_parser *p, struct span lines, struct message *msg)
{
	struct known_fields known;
	enum h1_reject why;

	memset(&known, 0, sizeof(known));
	why = parse_fields(lines, msg, &known);
	if (why == H1_REJECT_NONE)
		why = read_connection(msg, &known);
	if (why == H1_REJECT_NONE)
		why = read_framing(msg, &known);
	if (why != H1_REJECT_NONE)
		return why;
	return p->kind == H1_REQUEST ? finish_request(msg, &known)
				     : finish_response(p, msg, &known);
}
