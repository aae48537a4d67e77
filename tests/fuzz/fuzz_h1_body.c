/*
 * Bodies: the same payload, trailers and end however the bytes are cut; no byte taken that is not
 * accounted for; and chunks that we write are read as what they were written from.
 */
#include <stdlib.h>

#include "userspace/base/must.h"
#include "userspace/http/h1_body.h"
#include "userspace/http/h1_writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 40000 };

struct answer {
	enum h1_body_result got;
	enum h1_reject why;
	size_t used;
	size_t payload_len;
	size_t trailers_len;
	char payload[INPUT_MAX];
	char trailers[INPUT_MAX];
};

static void keep(struct span s, struct span in, char *to, size_t *len)
{
	MUST(s.len > 0 && s.at >= in.at && s.at + s.len <= in.at + in.len);
	memcpy(to + *len, s.at, s.len);
	*len += s.len;
}

/* At most step new bytes a call, in a copy of just those that may be looked at. */
static void decode(struct h1_body *b, struct span in, size_t step, struct answer *out)
{
	size_t have = 0;

	out->got = H1_BODY_MORE;
	out->why = H1_REJECT_NONE;
	out->used = out->payload_len = out->trailers_len = 0;
	for (;;) {
		struct span data = { NULL, 0 },
			    given = span_make(in.at + out->used, have - out->used);
		char *copy = malloc(given.len + 1);
		struct span now = span_make(copy, given.len);
		enum h1_reject why = H1_REJECT_NONE;

		if (given.len > 0)
			memcpy(copy, given.at, given.len);
		out->got = h1_body_next(b, &now, &data, &why);
		if (out->got == H1_BODY_DATA)
			keep(data, span_make(copy, given.len), out->payload, &out->payload_len);
		if (out->got == H1_BODY_TRAILER)
			keep(data, span_make(copy, given.len), out->trailers, &out->trailers_len);
		out->used += given.len - now.len;
		free(copy);
		MUST(b->payload == out->payload_len);
		if (out->got == H1_BODY_REJECT)
			out->why = why;
		if (out->got == H1_BODY_REJECT || out->got == H1_BODY_END)
			return;
		if (out->got == H1_BODY_MORE) {
			MUST(now.len < H1_TRAILER_LINE_MAX);
			if (have == in.len)
				return;
			have = have + step < in.len ? have + step : in.len;
		}
	}
}

/* Written as two chunks and read again. */
static void check_rewritten(struct span payload)
{
	static char bytes[INPUT_MAX + 100];
	static struct answer again;
	size_t half = payload.len / 2, len = 0;
	struct h1_body b;

	for (int i = 0; i < 2; i++) {
		struct span part = i ? span_after(payload, half) : span_make(payload.at, half);

		if (part.len == 0)
			continue;
		len += h1_writer_chunk_head(part.len, bytes + len);
		memcpy(bytes + len, part.at, part.len);
		len += part.len;
		memcpy(bytes + len, "\r\n", 2);
		len += 2;
	}
	memcpy(bytes + len, "0\r\n\r\n", 5);
	len += 5;
	h1_body_init(&b, BODY_CHUNKED, 0);
	decode(&b, span_make(bytes, len), len, &again);
	MUST(again.got == H1_BODY_END && again.used == len);
	MUST(span_is(payload, span_make(again.payload, again.payload_len)));
}

static void run(uint8_t how, struct span in, size_t step, struct answer *out)
{
	static const enum body_framing framings[] = { BODY_CHUNKED, BODY_CHUNKED, BODY_LENGTH,
						      BODY_UNTIL_CLOSE };
	struct h1_body b;

	h1_body_init(&b, framings[how & 3], how >> 2);
	decode(&b, in, step, out);
	MUST(out->got != H1_BODY_END || h1_body_may_close(&b));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct answer whole, cut;
	struct span in;

	if (size < 2 || size > INPUT_MAX)
		return 0;
	in = span_make(data + 1, size - 1);
	run(data[0], in, in.len, &whole);
	for (size_t step = 1; step < 9; step += 1 + data[0] % 3) {
		run(data[0], in, step, &cut);
		MUST(whole.got == cut.got && whole.why == cut.why);
		MUST(whole.got == H1_BODY_REJECT || whole.used == cut.used);
		MUST(span_is(span_make(whole.payload, whole.payload_len),
			     span_make(cut.payload, cut.payload_len)));
		MUST(span_is(span_make(whole.trailers, whole.trailers_len),
			     span_make(cut.trailers, cut.trailers_len)));
	}
	check_rewritten(span_make(whole.payload, whole.payload_len));
	return 0;
}
