/*
 * message.h - the head of an HTTP message, as found, and what follows from it.
 *
 * Everything is a span into the bytes that the codec was given (or a literal): a message lives as
 * long as those, and moves never. The same struct serves HTTP/1.1 and HTTP/2, requests and
 * responses; it knows no bytes on the wire.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/http/field.h"

enum { FIELDS_MAX = 100 };

/* How the end of the content is known (RFC 9112, 6.3). */
enum body_framing {
	BODY_NONE,        /* there is none; also tunnels, where what follows is no longer HTTP */
	BODY_LENGTH,      /* content_length bytes; may be 0 */
	BODY_CHUNKED,     /* until the last chunk and its trailers */
	BODY_UNTIL_CLOSE, /* responses only: until the peer closes */
};

enum method_id {
	METHOD_OTHER, /* valid, but not one of these */
	METHOD_GET,
	METHOD_HEAD,
	METHOD_POST,
	METHOD_PUT,
	METHOD_DELETE,
	METHOD_CONNECT,
	METHOD_OPTIONS,
	METHOD_TRACE,
	METHOD_PATCH,
};

struct message {
	/* requests */
	struct span method;
	struct span target;    /* as sent */
	struct span path;      /* as sent, "/" where absolute-form has none, "*" for OPTIONS *,
				* empty for CONNECT; see path_normalise() */
	struct span query;     /* without "?"; at is NULL where there is none */
	struct span authority; /* host and port as sent; empty only in HTTP/1.0 without Host */
	struct span host;      /* without port, IPv6 in brackets, any case */
	uint16_t port;         /* 0 where not given */
	uint8_t method_id;     /* enum method_id */

	/* responses */
	uint16_t status; /* 100 to 599; 0 in requests */
	struct span reason;

	/* both */
	uint8_t minor; /* of HTTP/1.x: 0 or 1 */
	uint16_t field_count;
	uint8_t framing;         /* enum body_framing */
	bool has_content_length; /* content_length was sent; also where there is no body (HEAD, 304)
				  */
	uint64_t content_length;
	bool keep_alive;  /* the sender lets the connection live after this message */
	bool upgrade;     /* request: asks for WebSocket, and may; response: 101 to WebSocket */
	bool tunnel;      /* response: after this head come opaque bytes (101, 2xx to CONNECT) */
	bool expect_100;  /* request: waits for 100 (Continue) before its body */
	bool te_trailers; /* request: TE lists "trailers" */
	struct field fields[FIELDS_MAX];
};

/* The first field of that name (any case), or NULL. */
const struct field *message_find(const struct message *msg, struct span name);
/* The next of the same name after one of msg's fields, or NULL. */
const struct field *message_find_next(const struct message *msg, const struct field *after);
/* Its value; at is NULL where there is no such field. */
struct span message_value(const struct message *msg, struct span name);

/* False where the content has no bytes for sure. */
bool message_has_body(const struct message *msg);
/* May be sent again when we do not know whether it was served (RFC 9110, 9.2.2). */
bool message_is_idempotent(const struct message *msg);
/* How msg's content is framed for a peer that speaks HTTP/1.minor (0 knows no chunks). */
enum body_framing message_framing_for(const struct message *msg, uint8_t minor);

enum method_id message_method(struct span name);
/* "Not Found"; never empty: "Unknown" for a status without a phrase of its own. */
struct span message_status_text(uint16_t status);
