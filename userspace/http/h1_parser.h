/*
 * h1_parser.h - heads of HTTP/1.1 messages, strictly (RFC 9112).
 *
 * Knows what a head means and how its body is framed. Knows no sockets and owns no bytes: the
 * caller keeps the head in one piece, calls again when there is more of it, and keeps it unmoved
 * while it uses the message. What is ambiguous is refused, never guessed at.
 */
#pragma once
#include "userspace/http/h1_reject.h"
#include "userspace/http/message.h"

enum h1_result {
	H1_NEED_MORE,
	H1_DONE,
	H1_REJECT,
};

enum h1_kind {
	H1_REQUEST,
	H1_RESPONSE,
};

struct h1_limits {
	uint32_t head_bytes; /* of the whole head; the caller's buffer holds at least as many */
	uint32_t line_bytes; /* of the request or status line */
	uint16_t fields;     /* at most FIELDS_MAX */
};

#define H1_LIMITS_DEFAULT                                                                          \
	((struct h1_limits){ .head_bytes = 32768, .line_bytes = 8192, .fields = FIELDS_MAX })

/* One direction of a connection. Fields are the parser's own. */
struct h1_parser {
	struct h1_limits limits;
	uint8_t kind; /* enum h1_kind */
	/* Responses mean different things after different requests (RFC 9112, 6.3). */
	bool asked_head;
	bool asked_connect;
	bool asked_upgrade;
	/* What earlier calls have looked at, so that a peer who sends byte by byte costs no more.
	 */
	size_t seen;
	size_t line_at; /* where the line begins in which seen stands */
	size_t head_at; /* where the head begins: 2 after an empty line */
	uint16_t lines;
};

void h1_parser_init(struct h1_parser *p, enum h1_kind kind, const struct h1_limits *limits);
/* Before the head of a response: what it answers. Holds until told again. */
void h1_parser_answers(struct h1_parser *p, const struct message *request);

/*
 * in: everything since the last message's end, including what earlier calls have seen.
 * H1_DONE: *out_msg is filled, *out_used bytes are the head, and p is ready for the next one.
 * H1_REJECT: *out_reject says why; p may not be used again. A message may have been written to.
 */
enum h1_result h1_parser_head(struct h1_parser *p, struct span in, struct message *out_msg,
			      size_t *out_used, enum h1_reject *out_reject);
