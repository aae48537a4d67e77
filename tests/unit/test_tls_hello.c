#include "tests/harness/test.h"
#include "userspace/base/must.h"
#include "userspace/tls/tls_hello.h"

/* A ClientHello in the making. What is zero is left out or made valid. */
struct hello {
	struct span extensions; /* their bytes, without the length in front */
	bool no_extensions;     /* not even the length */
	uint8_t type;           /* 1 */
	uint8_t session_len;
	uint8_t ciphers_len;     /* 2 */
	uint8_t compression_len; /* 1; 255 stands for 0 */
	uint8_t major;           /* 3 */
	int extensions_lie;      /* added to their length */
	int message_lie;         /* added to the message's length */
};

#define EXT(bytes) { bytes, sizeof(bytes) - 1 }
#define SNI_A_B                                                                                    \
	"\x00\x00\x00\x08\x00\x06\x00\x00\x03"                                                     \
	"a.b"
#define ALPN_H2 "\x00\x10\x00\x05\x00\x03\x02h2"

static void put(char *out, size_t *len, const void *bytes, size_t n)
{
	memcpy(out + *len, bytes, n);
	*len += n;
}

static void put_u8(char *out, size_t *len, unsigned n)
{
	out[(*len)++] = (char)n;
}

static void put_u16(char *out, size_t *len, size_t n)
{
	put_u8(out, len, (unsigned)(n >> 8) & 255);
	put_u8(out, len, n & 255);
}

/* The handshake message without its record. */
static size_t build(const struct hello *h, char *out)
{
	static const char zeros[256];
	size_t len = 4, body;

	put_u8(out, &len, h->major ? h->major : 3);
	put_u8(out, &len, 3);
	put(out, &len, zeros, 32);
	put_u8(out, &len, h->session_len);
	put(out, &len, zeros, h->session_len);
	put_u16(out, &len, h->ciphers_len ? h->ciphers_len : 2);
	put(out, &len, zeros, h->ciphers_len ? h->ciphers_len : 2);
	body = h->compression_len == 255 ? 0 : h->compression_len ? h->compression_len : 1;
	put_u8(out, &len, (unsigned)body);
	put(out, &len, zeros, body);
	if (!h->no_extensions) {
		put_u16(out, &len, h->extensions.len + (size_t)h->extensions_lie);
		if (h->extensions.len > 0)
			put(out, &len, h->extensions.at, h->extensions.len);
	}
	body = len - 4 + (size_t)h->message_lie;
	out[0] = (char)(h->type ? h->type : 1);
	out[1] = 0;
	out[2] = (char)(body >> 8);
	out[3] = (char)body;
	return len;
}

static size_t put_records(char *out, const char *message, size_t len, size_t each)
{
	size_t n = 0;

	for (size_t at = 0; at < len; at += each) {
		size_t part = len - at < each ? len - at : each;

		put(out, &n, "\x16\x03\x01", 3);
		put_u16(out, &n, part);
		put(out, &n, message + at, part);
	}
	return n;
}

static char message[20000], records[40000];

static struct span records_of(const struct hello *h, size_t each)
{
	size_t len = build(h, message);

	return span_make(records, put_records(records, message, len, each));
}

TEST(a_hello_says_where_it_wants_to_go)
{
	static const struct {
		const char *name;
		struct hello hello;
		const char *server, *alpn;
		bool tls13, ech;
	} rows[] = {
		{ "no extensions at all", { .no_extensions = true }, "", "" },
		{ "an empty list of extensions", { .type = 1 }, "", "" },
		{ "a name", { EXT(SNI_A_B) }, "a.b", "" },
		{ "a name in capitals",
		  { EXT("\x00\x00\x00\x0a\x00\x08\x00\x00\x05"
			"A-b.C") },
		  "a-b.c",
		  "" },
		{ "protocols",
		  { EXT("\x00\x10\x00\x0e\x00\x0c\x02h2\x08http/1.1") },
		  "",
		  "h2,http/1.1," },
		{ "TLS 1.3 behind GREASE",
		  { EXT("\x00\x2b\x00\x05\x04\x1a\x1a\x03\x04") },
		  "",
		  "",
		  true },
		{ "TLS 1.2 only", { EXT("\x00\x2b\x00\x03\x02\x03\x03") }, "", "" },
		{ "all of it",
		  { EXT(ALPN_H2 "\x0a\x0a\x00\x00" SNI_A_B "\x00\x2b\x00\x03\x02\x03\x04"),
		    .session_len = 32, .ciphers_len = 34 },
		  "a.b",
		  "h2,",
		  true },
		{ "an encrypted hello inside",
		  { EXT(SNI_A_B "\xfe\x0d\x00\x01x") },
		  "a.b",
		  "",
		  false,
		  true },
	};

	FOR_ROWS (row, rows) {
		struct tls_hello hello;
		char alpn[128] = "";

		CHECK_INT(tls_hello_parse(records_of(&row->hello, 16000), &hello), TLS_HELLO_DONE);
		CHECK_SPAN(tls_hello_name(&hello), span_of(row->server));
		for (unsigned i = 0; i < hello.alpn_count; i++) {
			strncat(alpn, tls_hello_alpn(&hello, i).at, tls_hello_alpn(&hello, i).len);
			strcat(alpn, ",");
		}
		CHECK_STR(alpn, row->alpn);
		CHECK_INT(hello.offers_tls13, row->tls13);
		CHECK_INT(hello.offers_ech, row->ech);
	}
}

TEST(hellos_that_lie_or_are_beyond_a_limit_are_bad)
{
	static const struct {
		const char *name;
		struct hello hello;
	} rows[] = {
		{ "a ServerHello", { .type = 2 } },
		{ "another major version", { .major = 2 } },
		{ "a session of 33 bytes", { .session_len = 33 } },
		{ "half a cipher suite", { .ciphers_len = 3 } },
		{ "no compression method", { .compression_len = 255 } },
		{ "a session longer than the message",
		  { .no_extensions = true, .message_lie = -20 } },
		{ "extensions longer than the message", { EXT(SNI_A_B), .extensions_lie = 1 } },
		{ "extensions shorter than the message", { EXT(SNI_A_B), .extensions_lie = -1 } },
		{ "bytes behind the message", { EXT(SNI_A_B), .message_lie = -1 } },
		{ "a message of 64 KiB", { .message_lie = 65000 } },
		{ "an extension longer than the list", { EXT("\x00\x05\x00\x09x") } },
		{ "half an extension", { EXT("\x00\x05\x00") } },
		{ "two names in two extensions", { EXT(SNI_A_B SNI_A_B) } },
		{ "two lists of protocols", { EXT(ALPN_H2 ALPN_H2) } },
		{ "two names in one list",
		  { EXT("\x00\x00\x00\x0a\x00\x08\x00\x00\x01x\x00\x00\x01y") } },
		{ "an empty list of names", { EXT("\x00\x00\x00\x02\x00\x00") } },
		{ "an empty name", { EXT("\x00\x00\x00\x05\x00\x03\x00\x00\x00") } },
		{ "a name of another kind", { EXT("\x00\x00\x00\x06\x00\x04\x01\x00\x01x") } },
		{ "a name longer than its list", { EXT("\x00\x00\x00\x06\x00\x04\x00\x00\x02x") } },
		{ "bytes behind the list of names",
		  { EXT("\x00\x00\x00\x07\x00\x04\x00\x00\x01xy") } },
		{ "a name extension without bytes", { EXT("\x00\x00\x00\x00") } },
		{ "an empty list of protocols", { EXT("\x00\x10\x00\x02\x00\x00") } },
		{ "an empty protocol", { EXT("\x00\x10\x00\x03\x00\x01\x00") } },
		{ "a protocol longer than its list", { EXT("\x00\x10\x00\x04\x00\x02\x02h") } },
		{ "17 protocols",
		  { EXT("\x00\x10\x00\x24\x00\x22\1a\1b\1c\1d\1e\1f\1g\1h\1i\1j\1k"
			"\1l\1m\1n\1o\1p\1q") } },
		{ "half a version", { EXT("\x00\x2b\x00\x04\x03\x03\x03\x03") } },
		{ "no version", { EXT("\x00\x2b\x00\x01\x00") } },
	};

	FOR_ROWS (row, rows) {
		struct tls_hello hello = { .name_len = 7 };

		CHECK_INT(tls_hello_parse(records_of(&row->hello, 16000), &hello), TLS_HELLO_BAD);
		CHECK_INT(hello.name_len, 7); /* untouched */
	}
}

TEST(names_are_those_that_dns_can_have)
{
	static const struct {
		const char *name, *text;
		bool ok;
	} rows[] = {
		{ "one label", "localhost", true },
		{ "an underscore", "_x.example", true },
		{ "digits in front", "1.2.3.a", true },
		{ "punycode", "xn--bcher-kva.example", true },
		{ "a label of 63 bytes",
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b", true },
		{ "a label of 64 bytes",
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b", false },
		{ "a dot at the end", "a.b.", false },
		{ "a dot in front", ".a", false },
		{ "two dots", "a..b", false },
		{ "a hyphen in front", "-a.b", false },
		{ "a hyphen at a label's end", "a-.b", false },
		{ "a hyphen at the end", "a-", false },
		{ "a wildcard", "*.b", false },
		{ "a space", "a b", false },
		{ "a slash", "a/b", false },
		{ "a port", "a:443", false },
		{ "an IPv4 address", "192.0.2.1", false },
		{ "an IPv6 address", "::1", false },
		{ "a byte beyond ASCII",
		  "b\xc3\xbc"
		  "cher",
		  false },
	};

	FOR_ROWS (row, rows) {
		char ext[300];
		size_t len = 0, n = strlen(row->text);
		struct tls_hello hello;
		struct hello h = { 0 };

		put_u16(ext, &len, 0);
		put_u16(ext, &len, n + 5);
		put_u16(ext, &len, n + 3);
		put_u8(ext, &len, 0);
		put_u16(ext, &len, n);
		put(ext, &len, row->text, n);
		h.extensions = span_make(ext, len);
		CHECK_INT(tls_hello_parse(records_of(&h, 16000), &hello),
			  row->ok ? TLS_HELLO_DONE : TLS_HELLO_BAD);
		if (row->ok)
			CHECK_STR(hello.name_bytes, row->text);
		ext[len - 1] = '\0';
		CHECK_INT(tls_hello_parse(records_of(&h, 16000), &hello), TLS_HELLO_BAD);
	}
}

TEST(a_hello_may_be_cut_into_records_and_segments_anywhere)
{
	static const struct hello h = { EXT(ALPN_H2 SNI_A_B) };
	size_t len = build(&h, message);

	for (size_t each = 1; each <= len; each++) {
		struct span in = records_of(&h, each);
		bool fits = (len + each - 1) / each <= TLS_HELLO_RECORDS_MAX;
		struct tls_hello hello;

		for (size_t n = 0; fits && n < in.len; n++)
			CHECK_INT(tls_hello_parse(span_make(in.at, n), &hello),
				  TLS_HELLO_NEED_MORE);
		CHECK_INT(tls_hello_parse(in, &hello), fits ? TLS_HELLO_DONE : TLS_HELLO_BAD);
		if (fits)
			CHECK_STR(hello.name_bytes, "a.b");
	}
}

TEST(other_protocols_and_broken_records_are_told_apart)
{
	static const struct {
		const char *name;
		struct span in;
		enum tls_hello_result want;
	} rows[] = {
		{ "nothing", { "", 0 }, TLS_HELLO_NEED_MORE },
		{ "HTTP", { "GET /", 5 }, TLS_HELLO_NOT_TLS },
		{ "SSH", { "S", 1 }, TLS_HELLO_NOT_TLS },
		{ "SSL 2", { "\x80\x2e\x01", 3 }, TLS_HELLO_NOT_TLS },
		{ "another major version", { "\x16\x02", 2 }, TLS_HELLO_NOT_TLS },
		{ "an alert", { "\x15\x03\x01", 3 }, TLS_HELLO_NOT_TLS },
		{ "an empty record", { "\x16\x03\x01\x00\x00", 5 }, TLS_HELLO_BAD },
		{ "a record beyond the limit", { "\x16\x03\x01\x40\x00", 5 }, TLS_HELLO_BAD },
		{ "a message of another type", { "\x16\x03\x01\x00\x30\x02", 6 }, TLS_HELLO_BAD },
		{ "a message beyond the limit",
		  { "\x16\x03\x01\x00\x30\x01\x01\x00\x00", 9 },
		  TLS_HELLO_BAD },
		{ "an alert between two records",
		  { "\x16\x03\x01\x00\x01\x01\x15\x03\x01\x00\x02\x01\x00", 13 },
		  TLS_HELLO_BAD },
	};

	FOR_ROWS (row, rows) {
		struct tls_hello hello;

		CHECK_INT(tls_hello_parse(row->in, &hello), row->want);
	}
}

TEST(what_follows_in_other_records_does_not_matter)
{
	static const struct hello h = { EXT(SNI_A_B) };
	struct span in = records_of(&h, 16000);
	struct tls_hello hello;

	memcpy(records + in.len, "\x17\x03\x03\x00\x01x", 6);
	in.len += 6;
	CHECK_INT(tls_hello_parse(in, &hello), TLS_HELLO_DONE);
}
