/*
 * h1_fields.h - the field section of a head, and what it says about the message.
 *
 * A part of h1_parser, for nobody else: knows framing (RFC 9112, 6), Host, Connection, Upgrade and
 * Expect. Knows nothing of how the bytes came.
 */
#pragma once
#include "userspace/http/h1_parser.h"

/*
 * lines: up to and with the empty one, each ended by CR LF, without other control bytes, at most
 * FIELDS_MAX of them; msg: with its first line. Fills in all that follows from both.
 */
enum h1_reject h1_fields_parse(const struct h1_parser *p, struct span lines, struct message *msg);
