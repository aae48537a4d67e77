/*
 * session_id.h - the number of a TLS session (tls/tls_tickets.h) as people read and write it.
 *
 * 16 hexadecimal digits in lower case. 0 is no session, and has no text. Pure.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/span.h"

enum { SESSION_ID_DIGITS = 16 };

/* Into out, without a NUL; at NULL for 0. */
static inline struct span session_id_print(uint64_t number, char out[SESSION_ID_DIGITS])
{
	static const char hex[] = "0123456789abcdef";

	if (number == 0)
		return (struct span){ NULL, 0 };
	for (unsigned i = 0; i < SESSION_ID_DIGITS; i++)
		out[i] = hex[number >> 4 * (SESSION_ID_DIGITS - 1 - i) & 15];
	return span_make(out, SESSION_ID_DIGITS);
}

/* Whether an id may begin so. */
static inline bool session_id_may_begin(struct span text, uint64_t *out_number)
{
	uint64_t number = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
		number = number << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	*out_number = number;
	return text.len > 0 && text.len <= SESSION_ID_DIGITS;
}

/* All of it, and not 0; *out_number is as it was where it is none. */
static inline bool session_id_parse(struct span text, uint64_t *out_number)
{
	uint64_t number;

	if (text.len != SESSION_ID_DIGITS || !session_id_may_begin(text, &number) || number == 0)
		return false;
	*out_number = number;
	return true;
}
