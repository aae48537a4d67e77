/* Bodies on their way: decoded as they came, framed as they go. */
#include "userspace/base/must.h"
#include "userspace/http/h1_writer.h"
#include "userspace/proxy/session.h"

enum { CHUNK_ROOM = 64 }; /* what framing may add to bytes that are passed on */

/* The span of the client's bytes that may be decoded into the room that is left. */
static struct span decodable(struct session *s, const struct body_copy *copy)
{
	uint32_t room, framed = copy->framing == BODY_CHUNKED ? CHUNK_ROOM : 0;
	struct span in = buf_data(copy->from);

	if (in.len == 0 || !buf_room(copy->to, &s->proxy->blocks, &room) || room <= framed) {
		buf_consume(copy->to, &s->proxy->blocks, 0);
		return (struct span){ in.at, 0 };
	}
	if (in.len > room - framed)
		in.len = room - framed;
	return in;
}

static void put(struct session *s, struct buf *to, struct span bytes)
{
	MUST(buf_append(to, &s->proxy->blocks, bytes)); /* decodable() left the room */
}

/* Bytes that are passed on as they are, and are all there are, change hands with their block. */
static bool put_whole(const struct body_copy *copy, struct span data)
{
	struct buf whole = *copy->from;

	if (copy->framing == BODY_CHUNKED || data.len != buf_len(&whole) || whole.pinned ||
	    buf_len(copy->to) > 0 || copy->to->pinned)
		return false;
	*copy->from = *copy->to;
	*copy->to = whole;
	return true;
}

static void put_body(struct session *s, struct buf *to, enum body_framing framing, struct span data)
{
	char head[H1_CHUNK_HEAD_MAX];

	if (framing != BODY_CHUNKED) {
		put(s, to, data);
		return;
	}
	put(s, to, span_make(head, h1_writer_chunk_head(data.len, head)));
	put(s, to, data);
	put(s, to, H1_CHUNK_END);
}

/* As far as there is room; *out_done: the body has ended. Whether anything moved. */
bool exchange_copy_body(struct session *s, const struct body_copy *copy, bool *out_done)
{
	struct span in, data;
	enum h1_reject reject;
	bool moved = false;

	for (;;) {
		struct span before = decodable(s, copy);
		enum h1_body_result got;
		bool whole = false;

		in = before;
		got = h1_body_next(copy->body, &in, &data, &reject);
		/* data points into what is consumed: first copy, then consume. */
		if (got == H1_BODY_DATA) {
			whole = put_whole(copy, data);
			if (!whole)
				put_body(s, copy->to, copy->framing, data);
			*copy->bytes += data.len;
		}
		if ((got == H1_BODY_TRAILER || got == H1_BODY_END) &&
		    copy->framing == BODY_CHUNKED && !*copy->last) {
			*copy->last = true;
			put(s, copy->to, H1_LAST_CHUNK);
		}
		if (got == H1_BODY_TRAILER && copy->framing == BODY_CHUNKED &&
		    (!copy->scrub || scrub_may_trail(data, copy->scrub)))
			put(s, copy->to, data);
		if (got == H1_BODY_END && copy->framing == BODY_CHUNKED)
			put(s, copy->to, H1_CHUNK_END);
		moved = moved || before.len != in.len || got == H1_BODY_END;
		buf_consume(copy->from, &s->proxy->blocks,
			    whole ? 0 : (uint32_t)(before.len - in.len));
		if (got == H1_BODY_REJECT)
			*copy->reject = reject;
		*out_done = got == H1_BODY_END;
		if (got == H1_BODY_MORE || got == H1_BODY_END || got == H1_BODY_REJECT)
			return moved;
	}
}
