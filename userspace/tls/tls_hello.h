/*
 * tls_hello.h - what a ClientHello says of where it wants to go, without OpenSSL.
 *
 * Knows TLS records and the ClientHello (RFC 8446, 4.1.2 and 5.1), however it is cut into records
 * and segments. Pure: consumes nothing, so that the same bytes can go on to whoever ends the TLS.
 */
#pragma once
#include "userspace/base/span.h"

enum {
	TLS_HELLO_MAX = 16384, /* bytes of records; the caller's buffer holds as many */
	TLS_HELLO_RECORDS_MAX = 32,
	TLS_HELLO_NAME_MAX = 253, /* RFC 1035, 2.3.4, without the last dot */
	TLS_HELLO_ALPN_MAX = 16,
	TLS_HELLO_ALPN_BYTES = 512,
};

enum tls_hello_result {
	TLS_HELLO_NEED_MORE, /* call again with these bytes and more behind them */
	TLS_HELLO_DONE,
	TLS_HELLO_BAD,     /* TLS, but no ClientHello that we may trust, or beyond a limit */
	TLS_HELLO_NOT_TLS, /* the first bytes are no TLS record */
};

struct tls_hello {
	char name_bytes[TLS_HELLO_NAME_MAX + 1];
	char alpn_bytes[TLS_HELLO_ALPN_BYTES];
	uint16_t alpn_at[TLS_HELLO_ALPN_MAX];
	uint8_t alpn_len[TLS_HELLO_ALPN_MAX];
	uint16_t name_len; /* 0 without SNI */
	uint8_t alpn_count;
	bool offers_tls13;
	bool offers_ech; /* the name is then that of the outer hello */
};

/* Cost of a call is bounded by the records and extensions there are, not by the bytes. */
enum tls_hello_result tls_hello_parse(struct span in, struct tls_hello *out_hello);

/* SNI in lower case, empty without; ended by NUL too. Lives as long as hello. */
static inline struct span tls_hello_name(const struct tls_hello *hello)
{
	return span_make(hello->name_bytes, hello->name_len);
}

/* The client's i-th protocol, i < alpn_count, in its order. */
static inline struct span tls_hello_alpn(const struct tls_hello *hello, unsigned i)
{
	return span_make(hello->alpn_bytes + hello->alpn_at[i], hello->alpn_len[i]);
}
