/*
 * h1_body.h - where the content of a message is, and where it ends.
 *
 * A decoder of the framings of RFC 9112, 6 and 7: bytes in, payload out, nothing copied. Knows no
 * limit on the content as a whole (see payload), and no connection.
 */
#pragma once
#include "userspace/http/h1_reject.h"
#include "userspace/http/message.h"

enum {
	H1_CHUNK_EXTENSION_MAX = 256, /* bytes in one chunk */
	H1_EXTENSIONS_MAX = 16384,    /* bytes in one body: many small chunks are no way round */
	H1_TRAILER_LINE_MAX = 1024,   /* the caller's buffer must hold as many */
	H1_TRAILERS_MAX = 8192,
};

enum h1_body_result {
	H1_BODY_MORE,    /* give more bytes; the ones left in *in again, before the new ones */
	H1_BODY_DATA,    /* *out_data is payload, never empty */
	H1_BODY_TRAILER, /* *out_data is one valid trailer with its CR LF, fit to be passed on;
			  * forbidden ones are swallowed */
	H1_BODY_END,     /* *in starts behind the message; call no more */
	H1_BODY_REJECT,
};

/* Fields are the decoder's own, but for payload. */
struct h1_body {
	uint64_t left;    /* bytes of payload to the end of this chunk or body */
	uint64_t payload; /* bytes handed out so far; the caller's to read */
	uint32_t extension;
	uint32_t extensions;
	uint32_t trailers;
	uint32_t seen; /* bytes of an unfinished trailer line that were looked at */
	uint8_t state;
	uint8_t digits;
};

void h1_body_init(struct h1_body *b, enum body_framing framing, uint64_t length);

/*
 * Takes from the front of *in and says what it found. Everything that *in was advanced over has
 * been checked, so a relay may also pass those bytes on as they are where the framing stays the
 * same (then H1_BODY_TRAILER tells nothing of forbidden trailers: drop them by re-framing).
 * Only an unfinished trailer line (at most H1_TRAILER_LINE_MAX bytes) is ever left in *in.
 */
enum h1_body_result h1_body_next(struct h1_body *b, struct span *in, struct span *out_data,
				 enum h1_reject *out_reject);

/* Whether the message is whole if the peer closes now. */
bool h1_body_may_close(const struct h1_body *b);
/* Payload bytes that will come for sure and uninterrupted, for bounded splices; 0 where unknown. */
uint64_t h1_body_left(const struct h1_body *b);
/* n payload bytes went another way (spliced); n is at most h1_body_left(). */
void h1_body_skip(struct h1_body *b, uint64_t n);
