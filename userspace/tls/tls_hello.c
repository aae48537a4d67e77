#include "userspace/tls/tls_hello.h"

#include <string.h>

#include "userspace/base/must.h"

enum {
	RECORD_HEAD = 5,
	RECORD_HANDSHAKE = 22,
	MESSAGE_HEAD = 4,
	CLIENT_HELLO = 1,
	EXT_SERVER_NAME = 0,
	EXT_ALPN = 16,
	EXT_SUPPORTED_VERSIONS = 43,
	EXT_ENCRYPTED_CLIENT_HELLO = 0xfe0d,
};

/* The handshake bytes of the records, in order. */
struct fragments {
	struct span at[TLS_HELLO_RECORDS_MAX];
	unsigned count;
	size_t bytes;
};

/* Reads from where it stands in the fragments up to left bytes. Reading too far gives zeros and is
 * remembered: one test at the end is enough. */
struct reader {
	const struct fragments *from;
	unsigned index;
	size_t offset;
	size_t left;
	bool overrun;
};

static void copy(struct reader *r, size_t n, void *out)
{
	char *to = out;

	if (n > r->left) {
		r->overrun = true;
		r->left = 0;
		if (to)
			memset(to, 0, n);
		return;
	}
	r->left -= n;
	while (n > 0) {
		struct span s = span_after(r->from->at[r->index], r->offset);
		size_t part = s.len < n ? s.len : n;

		if (to) {
			memcpy(to, s.at, part);
			to += part;
		}
		n -= part;
		r->offset += part;
		if (part == s.len) {
			r->index++;
			r->offset = 0;
		}
	}
}

static unsigned read_u8(struct reader *r)
{
	uint8_t b[1];

	copy(r, 1, b);
	return b[0];
}

static unsigned read_u16(struct reader *r)
{
	uint8_t b[2];

	copy(r, 2, b);
	return (unsigned)b[0] << 8 | b[1];
}

static void skip(struct reader *r, size_t n)
{
	copy(r, n, NULL);
}

/* The next n bytes as a reader of their own; r goes on behind them. */
static struct reader take(struct reader *r, size_t n)
{
	struct reader part = *r;

	part.left = n;
	part.overrun = n > r->left;
	if (part.overrun)
		part.left = 0;
	skip(r, n);
	return part;
}

static bool is_done(const struct reader *r)
{
	return !r->overrun && r->left == 0;
}

/* --- extensions ---------------------------------------------------------------------------- */

/* Lower-cases in place. A DNS name of letters, digits, "-" and "_", without a dot at its end; its
 * last label is not a number, as addresses are no names (RFC 6066, 3). */
static bool normalise_name(char *name, size_t len)
{
	size_t label = 0;
	bool number = true;

	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if (c >= 'A' && c <= 'Z')
			c = name[i] = (char)(c | 0x20);
		if (c == '.') {
			if (label == 0 || name[i - 1] == '-')
				return false;
			label = 0;
			number = true;
			continue;
		}
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
		      (c == '-' && label > 0)) ||
		    ++label > 63)
			return false;
		number = number && c >= '0' && c <= '9';
	}
	return label > 0 && !number && name[len - 1] != '-';
}

/* RFC 6066, 3: a list of exactly one name, as no other kinds have ever been defined. */
static bool read_server_name(struct reader ext, struct tls_hello *hello)
{
	struct reader list = take(&ext, read_u16(&ext));
	unsigned kind = read_u8(&list);
	unsigned len = read_u16(&list);

	if (kind != 0 || len == 0 || len > TLS_HELLO_NAME_MAX)
		return false;
	copy(&list, len, hello->name_bytes);
	if (!is_done(&list) || !is_done(&ext) || !normalise_name(hello->name_bytes, len))
		return false;
	hello->name_bytes[len] = '\0';
	hello->name_len = (uint16_t)len;
	return true;
}

/* RFC 7301, 3.1 */
static bool read_alpn(struct reader ext, struct tls_hello *hello)
{
	struct reader list = take(&ext, read_u16(&ext));
	size_t used = 0;

	if (list.left == 0)
		return false;
	while (list.left > 0) {
		unsigned len = read_u8(&list);

		if (len == 0 || hello->alpn_count == TLS_HELLO_ALPN_MAX ||
		    used + len > TLS_HELLO_ALPN_BYTES)
			return false;
		copy(&list, len, hello->alpn_bytes + used);
		hello->alpn_at[hello->alpn_count] = (uint16_t)used;
		hello->alpn_len[hello->alpn_count++] = (uint8_t)len;
		used += len;
	}
	return is_done(&list) && is_done(&ext);
}

/* RFC 8446, 4.2.1 */
static bool read_versions(struct reader ext, struct tls_hello *hello)
{
	struct reader list = take(&ext, read_u8(&ext));

	if (list.left == 0)
		return false;
	while (list.left > 0) {
		if (read_u16(&list) == 0x0304)
			hello->offers_tls13 = true;
	}
	return is_done(&list) && is_done(&ext);
}

static bool read_extensions(struct reader all, struct tls_hello *hello)
{
	static const struct {
		unsigned kind;
		bool (*read)(struct reader ext, struct tls_hello *hello);
	} known[] = {
		{ EXT_SERVER_NAME, read_server_name },
		{ EXT_ALPN, read_alpn },
		{ EXT_SUPPORTED_VERSIONS, read_versions },
	};
	unsigned seen = 0;

	while (all.left > 0) {
		unsigned kind = read_u16(&all);
		struct reader ext = take(&all, read_u16(&all));

		if (ext.overrun || all.overrun)
			return false;
		if (kind == EXT_ENCRYPTED_CLIENT_HELLO)
			hello->offers_ech = true;
		for (unsigned i = 0; i < ARRAY_LEN(known); i++) {
			if (known[i].kind != kind)
				continue;
			/* RFC 8446, 4.2: none may come twice. */
			if (seen & 1u << i || !known[i].read(ext, hello))
				return false;
			seen |= 1u << i;
		}
	}
	return is_done(&all);
}

/* --- the message --------------------------------------------------------------------------- */

/* RFC 8446, 4.1.2; extensions may be missing altogether in TLS 1.2 (RFC 5246, 7.4.1.2). */
static bool read_body(struct reader r, struct tls_hello *hello)
{
	unsigned len;

	if (read_u8(&r) != 3)
		return false;
	skip(&r, 1 + 32); /* the version's other byte, random */
	len = read_u8(&r);
	if (len > 32)
		return false;
	skip(&r, len); /* session */
	len = read_u16(&r);
	if (len < 2 || len % 2)
		return false;
	skip(&r, len); /* cipher suites */
	len = read_u8(&r);
	if (len < 1)
		return false;
	skip(&r, len); /* compression */
	if (is_done(&r))
		return true;
	len = read_u16(&r);
	if (r.overrun || len != r.left)
		return false;
	return read_extensions(r, hello);
}

/* The length of the whole message by its head; 0 where that is not there yet. */
static size_t message_len(const struct fragments *f)
{
	struct reader r = { .from = f, .left = f->bytes };
	size_t high;

	if (f->bytes < MESSAGE_HEAD)
		return 0;
	skip(&r, 1);
	high = read_u8(&r);
	return MESSAGE_HEAD + (high << 16 | read_u16(&r));
}

/* Whether what there is of a record's head can be one. */
static bool is_record(struct span s)
{
	return (s.len < 1 || s.at[0] == RECORD_HANDSHAKE) && (s.len < 2 || s.at[1] == 3);
}

/*
 * Adds the record at *at; declared counts handshake bytes, those that have not arrived included.
 * DONE here means that the record is whole, not that the message is.
 */
static enum tls_hello_result add_record(struct span in, size_t *at, struct fragments *f,
					size_t *declared)
{
	struct span rest = span_after(in, *at);
	size_t len, there;

	if (!is_record(rest))
		return *at == 0 ? TLS_HELLO_NOT_TLS : TLS_HELLO_BAD;
	if (rest.len < RECORD_HEAD)
		return TLS_HELLO_NEED_MORE;
	len = (size_t)(uint8_t)rest.at[3] << 8 | (uint8_t)rest.at[4];
	/* RFC 8446, 5.1: handshake records are never empty. */
	if (len == 0 || f->count == TLS_HELLO_RECORDS_MAX ||
	    *at + RECORD_HEAD + len > TLS_HELLO_MAX)
		return TLS_HELLO_BAD;
	there = rest.len - RECORD_HEAD < len ? rest.len - RECORD_HEAD : len;
	*declared += len;
	*at += RECORD_HEAD + len;
	if (there > 0) {
		f->at[f->count++] = span_make(rest.at + RECORD_HEAD, there);
		f->bytes += there;
	}
	return there == len ? TLS_HELLO_DONE : TLS_HELLO_NEED_MORE;
}

/* Collects records until they hold the message. */
static enum tls_hello_result collect(struct span in, struct fragments *f)
{
	size_t at = 0, declared = 0;

	for (;;) {
		enum tls_hello_result got = add_record(in, &at, f, &declared);
		size_t len;

		if (got == TLS_HELLO_BAD || got == TLS_HELLO_NOT_TLS)
			return got;
		if (f->bytes > 0 && f->at[0].at[0] != CLIENT_HELLO)
			return TLS_HELLO_BAD;
		len = message_len(f);
		/* Nothing may follow a ClientHello before the answer to it (RFC 8446, 5.1). */
		if (len > 0 && (len > TLS_HELLO_MAX || declared > len))
			return TLS_HELLO_BAD;
		if (got == TLS_HELLO_NEED_MORE || declared == len)
			return got;
	}
}

enum tls_hello_result tls_hello_parse(struct span in, struct tls_hello *out_hello)
{
	struct fragments f = { .count = 0 };
	struct tls_hello hello;
	enum tls_hello_result got = collect(in, &f);
	struct reader r = { .from = &f, .left = f.bytes };

	if (got != TLS_HELLO_DONE)
		return got;
	memset(&hello, 0, sizeof(hello));
	skip(&r, MESSAGE_HEAD);
	if (!read_body(r, &hello))
		return TLS_HELLO_BAD;
	*out_hello = hello;
	return TLS_HELLO_DONE;
}
