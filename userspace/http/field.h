/*
 * field.h - the letters of HTTP: classes of bytes, fields by name, lists, numbers.
 *
 * Knows the grammar of RFC 9110, 5 and which fields a proxy must understand. Knows nothing of
 * messages: what follows from a field is h1_parser's business.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/span.h"

/* Classes of a byte, as bits: one load and one test each. */
enum {
	BYTE_TOKEN = 1 << 0, /* RFC 9110, 5.6.2 */
	BYTE_VALUE = 1 << 1, /* inside a field value or a reason: VCHAR, SP, HTAB, obs-text */
	BYTE_PATH = 1 << 2,  /* inside a path; see field.c for what we admit beyond RFC 3986 */
	BYTE_QUERY = 1 << 3, /* inside a query */
	BYTE_HOST = 1 << 4,  /* inside a reg-name or an IPv4 address */
	BYTE_PLAIN = 1 << 5, /* unreserved in RFC 3986, 2.3: same meaning encoded or not */
	BYTE_DIGIT = 1 << 6,
	BYTE_HEX = 1 << 7,
};

extern const uint8_t byte_class[256];

static inline bool byte_is(char c, unsigned classes)
{
	return byte_class[(uint8_t)c] & classes;
}

/* Whether every byte is in one of the classes; true for an empty span. */
bool span_is_all(struct span s, unsigned classes);

/* Fields that a proxy has to know by heart; all others are FIELD_OTHER. */
enum field_id {
	FIELD_OTHER,
	FIELD_CONNECTION,
	FIELD_CONTENT_LENGTH,
	FIELD_EXPECT,
	FIELD_HOST,
	FIELD_KEEP_ALIVE,
	FIELD_PROXY_CONNECTION,
	FIELD_TE,
	FIELD_TRAILER,
	FIELD_TRANSFER_ENCODING,
	FIELD_UPGRADE,
	FIELD_VIA,
	FIELD_FORWARDED,
	FIELD_FORWARDED_FOR,   /* X-Forwarded-For */
	FIELD_FORWARDED_HOST,  /* X-Forwarded-Host */
	FIELD_FORWARDED_PROTO, /* X-Forwarded-Proto */
	FIELD_IDS,
};

struct field {
	struct span name;
	struct span value; /* without white space around it */
	uint8_t id;        /* enum field_id */
	bool is_hop;       /* named by Connection, or hop-by-hop by itself (RFC 9110, 7.6.1) */
};

enum field_id field_identify(struct span name);
/* Hop-by-hop whether or not Connection names it. */
bool field_is_hop(enum field_id id);
/* May not come in a trailer section: framing, routing, authentication, ... (RFC 9110, 6.5.1). */
bool field_is_forbidden_trailer(struct span name);

/* Takes the next element of a comma list off *list, trimmed; empty elements are skipped
 * (RFC 9110, 5.6.1.2). False at the end. Commas in quoted strings do not separate. */
bool field_list_take(struct span *list, struct span *out_element);
/* Without SP and HTAB at both ends. */
struct span field_trim(struct span s);
/* 1*DIGIT up to INT64_MAX and nothing else; false leaves *out_n alone. */
bool field_parse_number(struct span s, uint64_t *out_n);

/* A Host value or authority: reg-name, IPv4 or [IPv6], and a port 1 to 65535 where there is a colon
 * with digits (0 without). No user information, not empty. The host goes out without brackets'
 * port but with its brackets. */
bool field_parse_host(struct span s, struct span *out_host, uint16_t *out_port);
