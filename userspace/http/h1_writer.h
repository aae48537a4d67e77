/*
 * h1_writer.h - heads, chunks and short replies of HTTP/1.1, into the caller's bytes.
 *
 * Knows what a proxy must leave out and add (RFC 9110, 7.6). Decides nothing: framing, names and
 * addresses are told. Every function is all or nothing: false where it does not fit, and the
 * writer is as it was. Fields to set are refused, with false too, where a name is no token or is
 * about framing and connections, or a value has a control byte.
 */
#pragma once
#include "userspace/http/forwarded.h"
#include "userspace/http/message.h"

struct h1_writer {
	char *at;
	size_t cap;
	size_t len; /* written so far */
};

static inline void h1_writer_init(struct h1_writer *w, void *at, size_t cap)
{
	*w = (struct h1_writer){ at, cap, 0 };
}

/* How a head goes out. Zero means "leave out" for all spans. */
struct h1_sent {
	enum body_framing framing;
	uint64_t length; /* for BODY_LENGTH */
	bool keep_alive; /* our side lets the connection live */
	bool upgrade;    /* pass the upgrade to WebSocket on; only where msg->upgrade */
	uint8_t minor;   /* response: of the client's HTTP/1.x */
	struct forwarded forwarded;
	const struct field *set;   /* in place of fields of the same names; id and is_hop unused */
	uint32_t set_count;        /* a value without at: the field is only left out */
	const struct field *added; /* beside fields of the same names */
	uint32_t added_count;

	/* requests only */
	struct span path; /* normalised, in place of msg->path; the query is kept */
	struct span host; /* in place of msg->authority */
	bool keep_expect; /* pass Expect: 100-continue on */
};

/* In origin-form whatever came in; CONNECT is not forwarded as such. Always HTTP/1.1. */
bool h1_writer_request(struct h1_writer *w, const struct message *msg, const struct h1_sent *how);
/* Interim responses too (then only status and fields). */
bool h1_writer_response(struct h1_writer *w, const struct message *msg, const struct h1_sent *how);

/* Our own answer, whole. */
struct h1_reply {
	uint16_t status;
	struct span body;        /* none where empty */
	bool typed;              /* set says what it is; else it is text/plain */
	bool close;              /* the connection ends with it */
	bool head_only;          /* answers HEAD: length but no body */
	uint8_t minor;           /* of the client's HTTP/1.x */
	const struct field *set; /* such as Location; false where a value has CR, LF or NUL */
	uint32_t set_count;
};
bool h1_writer_reply(struct h1_writer *w, const struct h1_reply *reply);

#define H1_CONTINUE   SPAN("HTTP/1.1 100 Continue\r\n\r\n")
#define H1_CHUNK_END  SPAN("\r\n")
#define H1_LAST_CHUNK SPAN("0\r\n") /* then trailers, then H1_CHUNK_END */

enum { H1_CHUNK_HEAD_MAX = 18 };
/* The line before len (> 0) bytes of data; returns its length. After the data: H1_CHUNK_END. */
size_t h1_writer_chunk_head(uint64_t len, char out[H1_CHUNK_HEAD_MAX]);
