/*
 * Heads: the same bytes give the same answer however they arrive, all spans lie inside the input,
 * and what we would forward means, read again, what we understood (no smuggling by rewriting).
 */
#include <stdlib.h>

#include "userspace/base/must.h"
#include "userspace/http/h1_parser.h"
#include "userspace/http/h1_writer.h"
#include "userspace/http/path.h"
#include "userspace/http/scrub.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct answer {
	enum h1_result got;
	enum h1_reject why;
	size_t used;
	struct message msg;
};

static struct h1_parser parser_for(uint8_t options)
{
	struct h1_limits limits = H1_LIMITS_DEFAULT;
	struct h1_parser p;

	if (options & 16)
		limits = (struct h1_limits){ .head_bytes = 96, .line_bytes = 40, .fields = 4 };
	h1_parser_init(&p, options & 1 ? H1_RESPONSE : H1_REQUEST, &limits);
	p.asked_head = options & 2;
	p.asked_connect = options & 4;
	p.asked_upgrade = options & 8;
	return p;
}

static void check_span(struct span s, struct span in)
{
	bool inside = s.at >= in.at && s.len <= in.len && s.at <= in.at + in.len - s.len;

	MUST(!s.at || inside || span_is(s, SPAN("/")) || span_is(s, SPAN("*")));
}

static void check_message(const struct message *msg, struct span in)
{
	check_span(msg->method, in);
	check_span(msg->target, in);
	check_span(msg->path, in);
	check_span(msg->query, in);
	check_span(msg->authority, in);
	check_span(msg->host, in);
	check_span(msg->reason, in);
	MUST(msg->field_count <= FIELDS_MAX);
	for (size_t i = 0; i < msg->field_count; i++) {
		check_span(msg->fields[i].name, in);
		check_span(msg->fields[i].value, in);
		MUST(msg->fields[i].name.len > 0);
	}
}

static bool same_span(struct span a, struct span b)
{
	return a.len == b.len && (!a.at == !b.at) && span_is(a, b);
}

static void check_same(const struct answer *a, const struct answer *b)
{
	MUST(a->got == b->got && a->why == b->why && a->used == b->used);
	if (a->got != H1_DONE)
		return;
	MUST(a->msg.status == b->msg.status && a->msg.framing == b->msg.framing);
	MUST(a->msg.content_length == b->msg.content_length && a->msg.port == b->msg.port);
	MUST(a->msg.keep_alive == b->msg.keep_alive && a->msg.upgrade == b->msg.upgrade);
	MUST(same_span(a->msg.target, b->msg.target) && same_span(a->msg.host, b->msg.host));
	MUST(a->msg.field_count == b->msg.field_count);
	for (size_t i = 0; i < a->msg.field_count; i++)
		MUST(same_span(a->msg.fields[i].value, b->msg.fields[i].value));
}

/* step bytes more a call. Small inputs are copied, so that reading too far is seen. */
static void parse_by(uint8_t options, struct span in, size_t step, struct answer *out)
{
	struct h1_parser p = parser_for(options);
	size_t have = 0;

	*out = (struct answer){ .got = H1_NEED_MORE };
	while (out->got == H1_NEED_MORE && have < in.len) {
		have = have + step < in.len ? have + step : in.len;
		if (in.len < 300) {
			char *copy = malloc(have);
			struct h1_parser q = p;
			struct answer a = { 0 };

			memcpy(copy, in.at, have);
			h1_parser_head(&q, span_make(copy, have), &a.msg, &a.used, &a.why);
			free(copy);
		}
		out->got = h1_parser_head(&p, span_make(in.at, have), &out->msg, &out->used,
					  &out->why);
	}
}

/* Whatever a trusted client said, what we appended is an element by itself. */
static void check_way(const struct message *sent)
{
	struct span list = message_value(sent, SPAN("Forwarded")), element = { 0 };

	while (field_list_take(&list, &element))
		;
	MUST(span_has_prefix(element, SPAN("for=192.0.2.1;proto=http")));
	MUST(!message_find_next(sent, message_find(sent, SPAN("Forwarded"))));
	MUST(!message_find_next(sent, message_find(sent, SPAN("X-Forwarded-For"))));
}

/* What goes on must be read as what came in. */
static void check_forwarded(const struct message *msg, bool is_request)
{
	static char bytes[1 << 18];
	struct h1_writer w;
	struct h1_limits limits = { .head_bytes = 1 << 18,
				    .line_bytes = 1 << 17,
				    .fields = FIELDS_MAX };
	struct h1_sent how = { .framing = msg->framing,
			       .length = msg->content_length,
			       .keep_alive = msg->keep_alive,
			       .upgrade = msg->upgrade,
			       .minor = 1,
			       .keep_expect = true,
			       .forwarded = { .modes = { .via = FORWARDED_APPEND,
							 .x_forwarded_for = FORWARDED_APPEND,
							 .forwarded = FORWARDED_APPEND },
					      .trusted = true,
					      .via = SPAN("s"),
					      .client = SPAN("192.0.2.1"),
					      .proto = SPAN("http") },
			       .host = msg->authority.len ? msg->authority : SPAN("none") };
	struct h1_parser p;
	struct answer a = { 0 };

	if (msg->method_id == METHOD_CONNECT || msg->tunnel || msg->field_count > 90)
		return;
	h1_writer_init(&w, bytes, sizeof(bytes));
	MUST(is_request ? h1_writer_request(&w, msg, &how) : h1_writer_response(&w, msg, &how));
	h1_parser_init(&p, is_request ? H1_REQUEST : H1_RESPONSE, &limits);
	p.asked_head = !is_request && msg->framing == BODY_NONE;
	a.got = h1_parser_head(&p, span_make(bytes, w.len), &a.msg, &a.used, &a.why);
	MUST(a.got == H1_DONE && a.used == w.len);
	MUST(a.msg.framing == msg->framing && a.msg.status == msg->status);
	MUST(a.msg.content_length == msg->content_length ||
	     (!is_request && !msg->has_content_length));
	MUST(span_is(a.msg.method, msg->method) && span_is(a.msg.path, msg->path));
	MUST(same_span(a.msg.query, msg->query) && a.msg.upgrade == msg->upgrade);
	MUST(!msg->authority.len || span_is(a.msg.host, msg->host));
	MUST(a.msg.expect_100 == msg->expect_100);
	if (is_request)
		check_way(&a.msg);
	MUST(msg->status == 0 || msg->status >= 200 ? a.msg.keep_alive == msg->keep_alive : 1);
}

/* Of what is scrubbed, no program that takes "-" and "_" for the same reads a field that we know.
 */
static void check_scrubbed(struct message *msg, uint8_t options)
{
	struct scrub rules = { .underscores = (enum underscores)(options >> 5 & 3) % 3 };
	size_t before = msg->field_count;

	if (!scrub_request(msg, &rules)) {
		MUST(rules.underscores == UNDERSCORES_REFUSE && msg->field_count == before);
		return;
	}
	MUST(msg->field_count <= before);
	for (size_t i = 0; i < msg->field_count; i++) {
		struct span name = msg->fields[i].name;
		bool odd = memchr(name.at, '_', name.len);
		char dashed[32];

		MUST(!span_is_nocase(name, SPAN("proxy")));
		MUST(!odd || rules.underscores == UNDERSCORES_KEEP);
		if (!odd || name.len > sizeof(dashed))
			continue;
		for (size_t k = 0; k < name.len; k++)
			dashed[k] = name.at[k] == '_' ? '-' : name.at[k];
		MUST(field_identify(span_make(dashed, name.len)) == FIELD_OTHER);
	}
}

/* Normalising twice changes nothing. */
static void check_path(struct span path)
{
	struct path_rules rules = { 0 };
	char *once = malloc(path.len + 1), *twice = malloc(path.len + 1);
	size_t n, m;

	if (path_normalise(path, rules, once, path.len, &n)) {
		MUST(n <= path.len && path_normalise(span_make(once, n), rules, twice, n, &m));
		MUST(span_is(span_make(once, n), span_make(twice, m)));
	}
	free(once);
	free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct answer whole, cut;
	struct span in;

	if (size < 2 || size > 40000)
		return 0;
	in = span_make(data + 1, size - 1);
	parse_by(data[0], in, in.len, &whole);
	parse_by(data[0], in, 1 + data[0] % 7, &cut);
	check_same(&whole, &cut);
	parse_by(data[0], in, 1, &cut);
	check_same(&whole, &cut);
	if (whole.got == H1_REJECT)
		MUST(whole.why != H1_REJECT_NONE && h1_reject_status(whole.why) >= 400);
	if (whole.got == H1_DONE) {
		MUST(whole.used <= in.len);
		check_message(&whole.msg, in);
		check_forwarded(&whole.msg, !(data[0] & 1));
		check_path(whole.msg.path);
		if (!(data[0] & 1))
			check_scrubbed(&whole.msg, data[0]);
	}
	return 0;
}
