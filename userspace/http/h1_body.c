#include "userspace/http/h1_body.h"

#include "userspace/base/must.h"

enum body_state {
	BODY_ENDED,
	BODY_COUNTED, /* BODY_LENGTH: left bytes to go */
	BODY_OPEN,    /* BODY_UNTIL_CLOSE */
	CHUNK_SIZE,   /* reads digits */
	CHUNK_EXTENSION,
	CHUNK_SIZE_LF,
	CHUNK_DATA, /* left bytes to go */
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	TRAILERS, /* at the start of a line */
};

void h1_body_init(struct h1_body *b, enum body_framing framing, uint64_t length)
{
	static const uint8_t first[] = {
		[BODY_NONE] = BODY_ENDED,
		[BODY_LENGTH] = BODY_COUNTED,
		[BODY_CHUNKED] = CHUNK_SIZE,
		[BODY_UNTIL_CLOSE] = BODY_OPEN,
	};

	*b = (struct h1_body){ .state = first[framing] };
	if (framing == BODY_LENGTH)
		b->left = length;
}

bool h1_body_may_close(const struct h1_body *b)
{
	return b->state == BODY_ENDED || b->state == BODY_OPEN ||
	       (b->state == BODY_COUNTED && b->left == 0);
}

uint64_t h1_body_left(const struct h1_body *b)
{
	return b->state == BODY_COUNTED || b->state == CHUNK_DATA ? b->left : 0;
}

void h1_body_skip(struct h1_body *b, uint64_t n)
{
	MUST(n <= h1_body_left(b));
	b->left -= n;
	b->payload += n;
}

/* Hands out at most `most` bytes from the front of *in. */
static enum h1_body_result give(struct h1_body *b, struct span *in, uint64_t most,
				struct span *out_data)
{
	size_t n = in->len < most ? in->len : (size_t)most;

	if (n == 0)
		return H1_BODY_MORE;
	*out_data = span_make(in->at, n);
	*in = span_after(*in, n);
	b->payload += n;
	return H1_BODY_DATA;
}

static enum h1_reject size_byte(struct h1_body *b, char c)
{
	if (byte_is(c, BYTE_HEX)) {
		unsigned digit = c <= '9' ? (unsigned)(c - '0') : (unsigned)(c | 0x20) - 'a' + 10;

		if (++b->digits > 16)
			return H1_REJECT_CHUNK_SIZE;
		b->left = b->left << 4 | digit;
		return H1_REJECT_NONE;
	}
	/* RFC 9112, 7.1; no white space here, whatever old servers sent. */
	if (b->digits == 0 || b->left > INT64_MAX || (c != ';' && c != '\r'))
		return H1_REJECT_CHUNK_SIZE;
	b->state = c == ';' ? CHUNK_EXTENSION : CHUNK_SIZE_LF;
	b->digits = 0;
	b->extension = 0;
	return H1_REJECT_NONE;
}

static enum h1_reject extension_byte(struct h1_body *b, char c)
{
	if (c == '\r') {
		b->state = CHUNK_SIZE_LF;
		return H1_REJECT_NONE;
	}
	if (!byte_is(c, BYTE_VALUE) || ++b->extension > H1_CHUNK_EXTENSION_MAX ||
	    ++b->extensions > H1_EXTENSIONS_MAX)
		return H1_REJECT_CHUNK_EXTENSION;
	return H1_REJECT_NONE;
}

/* One byte of what stands between the data of chunks. */
static enum h1_reject framing_byte(struct h1_body *b, char c)
{
	switch (b->state) {
	case CHUNK_SIZE:
		return size_byte(b, c);
	case CHUNK_EXTENSION:
		return extension_byte(b, c);
	case CHUNK_SIZE_LF:
		b->state = b->left > 0 ? CHUNK_DATA : TRAILERS;
		return c == '\n' ? H1_REJECT_NONE : H1_REJECT_CHUNK_SIZE;
	case CHUNK_DATA_CR:
		b->state = CHUNK_DATA_LF;
		return c == '\r' ? H1_REJECT_NONE : H1_REJECT_CHUNK_END;
	default:
		MUST(b->state == CHUNK_DATA_LF);
		b->state = CHUNK_SIZE;
		return c == '\n' ? H1_REJECT_NONE : H1_REJECT_CHUNK_END;
	}
}

/* line: without its CR LF. */
static bool trailer_is_valid(struct span line, struct span *out_name)
{
	size_t n = 0;

	while (n < line.len && byte_is(line.at[n], BYTE_TOKEN))
		n++;
	*out_name = span_make(line.at, n);
	return n > 0 && n < line.len && line.at[n] == ':' && span_is_all(line, BYTE_VALUE);
}

/* One line of the trailer section, the empty one at its end included. H1_BODY_MORE with bytes
 * taken: the line was swallowed. */
static enum h1_body_result take_trailer(struct h1_body *b, struct span *in, struct span *out_data,
					enum h1_reject *out_reject)
{
	size_t look = in->len < H1_TRAILER_LINE_MAX ? in->len : H1_TRAILER_LINE_MAX;
	const char *lf = b->seen < look ? memchr(in->at + b->seen, '\n', look - b->seen) : NULL;
	struct span line, name;

	if (!lf && look < H1_TRAILER_LINE_MAX) {
		b->seen = (uint32_t)look;
		return H1_BODY_MORE;
	}
	*out_reject = H1_REJECT_TRAILER_BYTES;
	if (!lf)
		return H1_BODY_REJECT;
	line = span_make(in->at, (size_t)(lf - in->at) + 1);
	b->trailers += (uint32_t)line.len;
	if (b->trailers > H1_TRAILERS_MAX)
		return H1_BODY_REJECT;
	*out_reject = H1_REJECT_TRAILER;
	if (line.len < 2 || line.at[line.len - 2] != '\r')
		return H1_BODY_REJECT;
	if (line.len > 2 && !trailer_is_valid(span_make(line.at, line.len - 2), &name))
		return H1_BODY_REJECT;
	*in = span_after(*in, line.len);
	b->seen = 0;
	if (line.len == 2) {
		b->state = BODY_ENDED;
		return H1_BODY_END;
	}
	if (field_is_forbidden_trailer(name))
		return H1_BODY_MORE;
	*out_data = line;
	return H1_BODY_TRAILER;
}

static enum h1_body_result next_chunked(struct h1_body *b, struct span *in, struct span *out_data,
					enum h1_reject *out_reject)
{
	while (in->len > 0) {
		enum h1_reject why;
		char c;

		if (b->state == TRAILERS) {
			size_t before = in->len;
			enum h1_body_result got = take_trailer(b, in, out_data, out_reject);

			if (got != H1_BODY_MORE || in->len == before)
				return got;
			continue;
		}
		if (b->state == CHUNK_DATA && b->left > 0) {
			enum h1_body_result got = give(b, in, b->left, out_data);

			b->left -= out_data->len;
			return got;
		}
		if (b->state == CHUNK_DATA)
			b->state = CHUNK_DATA_CR;
		c = in->at[0];
		why = framing_byte(b, c);
		if (why) {
			*out_reject = why;
			return H1_BODY_REJECT;
		}
		*in = span_after(*in, 1);
	}
	return H1_BODY_MORE;
}

enum h1_body_result h1_body_next(struct h1_body *b, struct span *in, struct span *out_data,
				 enum h1_reject *out_reject)
{
	enum h1_body_result got;

	switch (b->state) {
	case BODY_COUNTED:
		if (b->left == 0)
			break;
		got = give(b, in, b->left, out_data);
		if (got == H1_BODY_DATA)
			b->left -= out_data->len;
		return got;
	case BODY_OPEN:
		return give(b, in, UINT64_MAX, out_data);
	case BODY_ENDED:
		break;
	default:
		return next_chunked(b, in, out_data, out_reject);
	}
	b->state = BODY_ENDED;
	return H1_BODY_END;
}
