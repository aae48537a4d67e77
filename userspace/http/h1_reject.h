/*
 * h1_reject.h - every reason for which bytes are not accepted as HTTP/1.1, as one list.
 *
 * The status is what a client is told. Where an endpoint sent the bytes, the client is told 502
 * whatever stands here, and the text goes to the log. After any reject the connection is closed:
 * where its next message begins is not known.
 */
#pragma once
#include <stdint.h>

#include "userspace/base/span.h"

#define H1_REJECTS(X)                                                                              \
	X(NONE, 200, "accepted")                                                                   \
	X(HEAD_BYTES, 431, "the head is longer than allowed")                                      \
	X(LINE_BYTES, 414, "the request line is longer than allowed")                              \
	X(FIELD_COUNT, 431, "there are more fields than allowed")                                  \
	X(LINE_END, 400, "a line does not end in CR LF")                                           \
	X(CONTROL, 400, "there is a control byte in the head")                                     \
	X(REQUEST_LINE, 400, "the request line is not method, target and version")                 \
	X(METHOD, 400, "the method is not a token")                                                \
	X(TARGET, 400, "the target is not valid")                                                  \
	X(VERSION, 505, "the version is neither HTTP/1.0 nor HTTP/1.1")                            \
	X(STATUS_LINE, 502, "the status line is not version, status and reason")                   \
	X(FIELD_NAME, 400, "a field name is not a token right before its colon")                   \
	X(FOLD, 400, "a field goes on in the next line")                                           \
	X(HOST_MISSING, 400, "there is no Host")                                                   \
	X(HOST_TWICE, 400, "there is more than one Host")                                          \
	X(HOST, 400, "Host is not a valid host and port")                                          \
	X(HOST_DIFFERS, 400, "Host is not that of the target")                                     \
	X(LENGTH, 400, "Content-Length is not one number")                                         \
	X(LENGTH_TWICE, 400, "there is more than one Content-Length")                              \
	X(LENGTH_AND_CODING, 400, "there are both Content-Length and Transfer-Encoding")           \
	X(CODING, 400, "Transfer-Encoding is not valid, or chunked is not last and once")          \
	X(CODING_UNKNOWN, 501, "Transfer-Encoding names another coding than chunked")              \
	X(CODING_VERSION, 400, "Transfer-Encoding in HTTP/1.0")                                    \
	X(BODY_FORBIDDEN, 400, "there is framing on a message that has no content")                \
	X(CONNECTION, 400, "Connection is not a list of at most 16 tokens")                        \
	X(EXPECT, 417, "Expect asks for something else than 100-continue")                         \
	X(UPGRADE, 502, "the protocol was switched without having been asked for")                 \
	X(CHUNK_SIZE, 400, "a chunk size is not 1 to 16 hexadecimal digits")                       \
	X(CHUNK_EXTENSION, 400, "chunk extensions are not valid or longer than allowed")           \
	X(CHUNK_END, 400, "a chunk does not end where its size says")                              \
	X(TRAILER_BYTES, 431, "the trailers are longer than allowed")                              \
	X(TRAILER, 400, "a trailer is not a valid field")

enum h1_reject {
#define X(name, status, text) H1_REJECT_##name,
	H1_REJECTS(X)
#undef X
		H1_REJECTS_COUNT
};

uint16_t h1_reject_status(enum h1_reject why);
/* A part of a sentence, for the reply and the log. */
struct span h1_reject_text(enum h1_reject why);
/* "FIELD_NAME"; for counters. */
const char *h1_reject_name(enum h1_reject why);
